"""The HTTP client of the commands that walk the store, on servers of every manner."""

from __future__ import annotations

import asyncio
import ssl
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.catalogue.database.fetch import Connections, Together, open_record_fetch
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.sidecars import MAX_SIDECAR_BYTES

from tests.support.loopback.certificate import Certificate
from tests.support.loopback.threads import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mediaimport_webhook.store.sidecars import Fetch

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Server:
    """Answers requests with these bytes, one after another; an empty one closes the connection instead."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.heads: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self._answers:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self._answers.pop(0)
                if not answer:
                    return
                for part in answer.partition(b"ok"):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def asked(server: Server, scene: Callable[[Fetch, str], Awaitable[object]], *, total_s: float = 5.0) -> object:
    async def whole() -> object:
        connections = Connections(ssl.create_default_context(), total_s=total_s)
        async with await asyncio.start_server(server.serve, "127.0.0.1") as listening:
            try:
                port = listening.sockets[0].getsockname()[1]
                return await scene(connections.get, f"http://127.0.0.1:{port}/media/a%2Fb?X=1")
            finally:
                connections.close()

    return asyncio.run(whole())


async def twice(get: Fetch, url: str) -> list[tuple[int, bytes]]:
    return [await get(url), await get(url)]


@pytest.mark.parametrize(
    ("answers", "connections"),
    [
        ((OK, OK), 1),
        ((CLOSING, OK), 2),
        ((OK, b"", OK), 2),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, OK), 1),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", OK), 1),
    ],
    ids=["kept", "closed by the answer", "closed at the next request", "after an interim answer", "chunked"],
)
def test_connection_is_used_again_while_it_is_open(answers: tuple[bytes, ...], connections: int) -> None:
    server = Server(*answers)
    assert asked(server, twice) == [(200, b"ok")] * 2
    assert server.connections == connections
    assert all(head.startswith(b"GET /media/a%2Fb?X=1 HTTP/1.1\r\nHost: 127.0.0.1:") for head in server.heads)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok", b"220 smtp.example ESMTP\r\n\r\n"],
    ids=["none", "silent", "of another protocol"],
)
def test_answer_that_is_none_makes_the_store_unavailable(answer: bytes) -> None:
    with pytest.raises(StoreUnavailableError):
        asked(Server(answer), twice, total_s=0.3)


def test_refusal_is_an_answer() -> None:
    server = Server(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 2\r\n\r\nok", OK)
    assert asked(server, twice) == [(503, b"ok"), (200, b"ok")]


def test_body_that_is_too_long_is_not_read_to_its_end() -> None:
    length = 3 * MAX_SIDECAR_BYTES
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length, OK)

    async def scene(get: Fetch, url: str) -> tuple[int, bytes]:
        _, body = await get(url)
        assert MAX_SIDECAR_BYTES < len(body) < 2 * MAX_SIDECAR_BYTES
        return await get(url)

    assert asked(server, scene) == (200, b"ok")
    assert server.connections == 2


def settings(port: int, **changes: str) -> StoreSettings:
    variables = {"S3_BUCKET_NAME": "b", "S3_ENDPOINT_URL": f"https://127.0.0.1:{port}"}
    return StoreSettings.read(Environment(variables | changes))


def test_only_a_server_of_the_trusted_authority_is_asked(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)

    async def scene() -> tuple[int, bytes]:
        context = certificate.server_context()
        async with await asyncio.start_server(Server(OK).serve, "127.0.0.1", ssl=context) as listening:
            port = listening.sockets[0].getsockname()[1]
            url = f"https://localhost:{port}/media/x"
            async with open_record_fetch(settings(port)) as fetch:
                with pytest.raises(StoreUnavailableError):
                    await fetch(url)
            async with open_record_fetch(settings(port, S3_CA_BUNDLE=str(certificate.authority))) as fetch:
                return await fetch(url)

    assert asyncio.run(scene()) == (200, b"ok")


class _Proxy(BaseHTTPRequestHandler):
    """A proxy that answers itself, with the URL that it was asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(HTTPServer(("127.0.0.1", 0), _Proxy)) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "other.internal")

        async def scene() -> tuple[int, bytes]:
            async with open_record_fetch(settings(port)) as fetch:
                with pytest.raises(StoreUnavailableError):
                    await fetch("http://other.internal:1/")
                return await fetch("http://store.internal:9000/b/a%2Fb?X=1")

        assert asyncio.run(scene()) == (200, b"http://store.internal:9000/b/a%2Fb?X=1")


@pytest.mark.parametrize(
    ("origin", "header"),
    [("https://b.s3.example:443", "b.s3.example"), ("http://Store:80", "store"), ("https://[::1]:90", "[::1]:90")],
)
def test_host_is_named_as_it_is_signed(origin: str, header: str) -> None:
    connections = Connections(ssl.create_default_context())
    assert connections.place_of(origin).header == header


def test_answers_are_handed_out_some_at_a_time() -> None:
    """Whoever waits for others that never come gets its own when none is left."""
    order: list[str] = []

    async def fetch(url: str) -> tuple[int, bytes]:
        order.append(f"read {url}")
        await asyncio.sleep(0)
        if url == "3":
            raise StoreUnavailableError(url)
        return 200, url.encode()

    async def use(together: Together, numbers: list[str]) -> None:
        for each in numbers:
            try:
                await together.fetch(each)
            except StoreUnavailableError:
                order.append(f"wrong {each}")
            else:
                order.append(f"used {each}")

    async def scene() -> None:
        together = Together(fetch, some=2)
        await asyncio.gather(use(together, ["0", "2", "4"]), use(together, ["1", "3"]))

    asyncio.run(scene())
    steps = [sorted(order[first : first + 2]) for first in (0, 2, 4)]
    assert steps == [["read 0", "read 1"], ["used 0", "used 1"], ["read 2", "read 3"]]
    assert sorted(order[6:]) == ["read 4", "used 2", "used 4", "wrong 3"]
