"""Connections of a server in this process, whose limits are low."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import uvicorn
from mediaimport_webhook.http.connections import connections_of
from mediaimport_webhook.http.protocol import BoundedProtocol

from tests.support.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

ASK = b"GET / HTTP/1.1\r\nHost: webhook.test\r\n\r\n"


class Hasty(BoundedProtocol):
    write_timeout_s = 0.3


class Answers:
    """Application that answers with bodies of one size, and counts the requests under way."""

    def __init__(self, size_bytes: int = 2, parts: int = 1, pause_s: float = 0) -> None:
        self.under_way = 0
        self._body = size_bytes * b"x"
        self._parts = parts
        self._pause_s = pause_s

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.under_way += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _part in range(self._parts):
                await send({"type": "http.response.body", "body": self._body, "more_body": True})
                await asyncio.sleep(self._pause_s)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.under_way -= 1


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    config = uvicorn.Config(app, http=Hasty, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await running


def slow_reader(port: int) -> socket.socket:
    """Return a connection whose kernel takes little for a client that does not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.setblocking(False)
    connection.send(ASK)
    return connection


async def until_none(app: Answers) -> None:
    async with asyncio.timeout(3):
        while app.under_way:  # noqa: ASYNC110 - the application has no event
            await asyncio.sleep(0.02)


def test_client_that_does_not_read_its_answer_loses_its_connection() -> None:
    async def held() -> int:
        app = Answers(size_bytes=100_000, parts=20)
        async with serving(app) as (server, port):
            readers = [slow_reader(port) for _ in range(3)]
            await asyncio.sleep(0.1)
            assert app.under_way == 3
            await until_none(app)
            await asyncio.sleep(0.1)
            left = len(server.server_state.connections)
            for each in readers:
                each.close()
            return left

    assert in_virtual_time(held()) == 0


def test_answer_that_nobody_reads_does_not_keep_a_closing_connection() -> None:
    async def held() -> int:
        app = Answers(size_bytes=2_000_000)
        async with serving(app) as (server, port):
            reader = slow_reader(port)
            await asyncio.sleep(0.1)
            server.server_state.connections.copy().pop().shutdown()
            await asyncio.sleep(1)
            left = len(server.server_state.connections)
            reader.close()
            return left

    assert in_virtual_time(held()) == 0


def test_client_that_reads_slowly_and_one_of_a_quiet_stream_keep_theirs() -> None:
    async def read(port: int, piece_bytes: int) -> int:
        reader, total = slow_reader(port), 0
        with reader:
            while piece := await asyncio.get_running_loop().sock_recv(reader, piece_bytes):
                total += len(piece)
                if piece.endswith(b"0\r\n\r\n"):
                    break
                await asyncio.sleep(0.01)
        return total

    async def both() -> tuple[int, int]:
        async with serving(Answers(size_bytes=600_000)) as (_, port):
            slow = await read(port, 4096)
        async with serving(Answers(size_bytes=10, parts=4, pause_s=0.4)) as (_, port):
            return slow, await read(port, 4096)

    slow, quiet = in_virtual_time(both())
    assert (slow > 600_000, quiet > 40) == (True, True)


def test_new_connection_takes_the_place_of_the_one_that_is_idle_for_longest() -> None:
    async def crowded() -> tuple[bytes, bytes]:
        async with serving(Answers()) as (server, port):
            connections_of(server.server_state).max_connections = 3
            pairs = []
            for _ in range(4):
                pairs.append(await asyncio.open_connection("127.0.0.1", port))
                await asyncio.sleep(0.02)
            pairs[3][1].write(ASK)
            oldest = await asyncio.wait_for(pairs[0][0].read(), 2)
            newest = await asyncio.wait_for(pairs[3][0].readline(), 2)
            for _, writer in pairs:
                writer.close()
            return oldest, newest

    assert in_virtual_time(crowded()) == (b"", b"HTTP/1.1 200 OK\r\n")


def test_connection_beyond_the_limit_is_503_while_all_others_have_requests() -> None:
    async def crowded() -> bytes:
        async with serving(Answers(pause_s=1)) as (server, port):
            connections_of(server.server_state).max_connections = 1
            _, busy = await asyncio.open_connection("127.0.0.1", port)
            busy.write(ASK)
            await asyncio.sleep(0.1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answer = await asyncio.wait_for(reader.read(), 2)
            for each in (busy, writer):
                each.close()
            return answer

    assert in_virtual_time(crowded()).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("unfinished", [2, 20])
def test_address_has_few_unfinished_heads_at_a_time_and_any_number_one_after_the_other(unfinished: int) -> None:
    async def heads() -> list[bytes]:
        async with serving(Answers()) as (server, port):
            connections_of(server.server_state).max_heads_per_address = 5
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(unfinished)]
            for _, writer in pairs:
                writer.write(ASK[:-2])
            await asyncio.sleep(0.1)
            answers = []
            for reader, writer in pairs:
                writer.write(ASK[-2:])
                with suppress(OSError):
                    answers.append(await asyncio.wait_for(reader.readline(), 2))
                writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK)
            answers.append(await asyncio.wait_for(reader.readline(), 2))
            writer.close()
            return answers

    answers = in_virtual_time(heads())
    assert answers[-1] == b"HTTP/1.1 200 OK\r\n"
    assert sum(each.startswith(b"HTTP/1.1 503 ") for each in answers) == max(0, unfinished - 5)
