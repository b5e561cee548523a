"""The webhook as a process of its own, asked by strangers and by proxies. No API server is behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.webhook import SECRET
from tests.support.webhook_process import WebhookProcess, listening_webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
 clusters: [{name: a, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: a, user: {}}]}
"""
STRANGERS, BODY_BYTES = 80, 5 * 1024 * 1024
FORGED = "v1," + 43 * "A" + "="


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[WebhookProcess]:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    variables = {
        "KUBECONFIG": str(kubeconfig),
        "NAMESPACE": "media",
        "S3_BUCKET_NAME": "media",
        "REPLICATE_WEBHOOK_SECRETS": SECRET,
        **settings,
    }
    with listening_webhook(folder, variables) as webhook:
        yield webhook


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    """Return one process for the tests that leave it as it was."""
    with started(tmp_path_factory.mktemp("webhook")) as webhook:
        yield webhook


def forged() -> dict[str, str]:
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": FORGED}


@dataclass(frozen=True)
class Connection:
    """One connection to the webhook, without a client library's manners."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, start: str, headers: dict[str, str], body: bytes = b"") -> None:
        lines = [start, "Host: webhook.test", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with suppress(OSError):
            self.writer.write("\r\n".join(lines).encode() + body)
            await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str]]:
        """Return status and headers; read a body of known length away."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in head[1:] if each)}
        await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers


@asynccontextmanager
async def connected(webhook: WebhookProcess) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(webhook.url).port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def pour(webhook: WebhookProcess, headers: dict[str, str]) -> None:
    """Send all but the last byte of a long body and keep the connection for a while."""
    headers = headers | {"Content-Length": str(BODY_BYTES)}
    async with connected(webhook) as connection:
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                await connection.send("POST /api/v1/replicate/webhook HTTP/1.1", headers, (BODY_BYTES - 1) * b"x")
        await asyncio.sleep(1)


@pytest.mark.parametrize("headers", [{}, forged()], ids=["without a signature", "with a forged one"])
def test_strangers_with_long_bodies_take_little_memory(process: WebhookProcess, headers: dict[str, str]) -> None:
    process.reset_peak()
    before = process.memory_mb

    async def load() -> None:
        await asyncio.gather(*(pour(process, headers) for _ in range(STRANGERS)))

    asyncio.run(load())
    assert process.peak_memory_mb - before < 100


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_large_bodies_with_a_forged_signature_pass_in_little_memory_and_are_401(
    process: WebhookProcess, framing: str
) -> None:
    """Of chunks, nobody knows how many come: 5 MiB of each body are held before it is let pass."""
    number, piece = 3, 64 * 1024 * b"x"
    pieces = 24 * 1024 * 1024 // len(piece)
    process.reset_peak()
    before = process.memory_mb

    async def forge() -> int:
        async with connected(process) as connection:
            is_chunked = framing == "chunks"
            length = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(pieces * len(piece))}
            await connection.send("POST /api/v1/replicate/webhook HTTP/1.1", forged() | length)
            for _ in range(pieces):
                connection.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                await connection.writer.drain()
            connection.writer.write(b"0\r\n\r\n" if is_chunked else b"")
            return (await connection.answer())[0]

    async def load() -> list[int]:
        return await asyncio.gather(*(forge() for _ in range(number)))

    assert asyncio.run(load()) == [401] * number
    assert process.peak_memory_mb - before < 50


def test_unsigned_callback_is_refused_before_its_body_comes(process: WebhookProcess) -> None:
    async def refused() -> tuple[int, dict[str, str]]:
        async with connected(process) as connection:
            await connection.send("POST /api/v1/replicate/webhook HTTP/1.1", {"Content-Length": str(BODY_BYTES)})
            return await asyncio.wait_for(connection.answer(), 5)

    status, headers = asyncio.run(refused())
    assert (status, headers["connection"]) == (401, "close")


def test_idle_connection_outlives_an_ingress_that_keeps_it_for_60_s(process: WebhookProcess) -> None:
    """Wait 6 s only: uvicorn's own limit is 5 s, and 150 s are too long for a test."""

    async def asked_twice() -> list[int]:
        async with connected(process) as connection:
            answers = []
            for pause_s in (6, 0):
                await connection.send("GET /healthz HTTP/1.1", {})
                answers.append((await connection.answer())[0])
                await asyncio.sleep(pause_s)
            return answers

    assert asyncio.run(asked_twice()) == [200, 200]


def test_drained_webhook_answers_once_more_on_an_idle_connection_and_closes_it(tmp_path: Path) -> None:
    async def asked_while_draining(webhook: WebhookProcess) -> tuple[int, dict[str, str], bytes]:
        async with connected(webhook) as connection:
            await connection.send("GET /healthz HTTP/1.1", {})
            await connection.answer()
            os.kill(webhook.pid, signal.SIGTERM)
            await asyncio.sleep(0.5)
            await connection.send("GET /healthz HTTP/1.1", {})
            status, headers = await connection.answer()
            return status, headers, await connection.reader.read()

    with started(tmp_path) as webhook:
        status, headers, rest = asyncio.run(asked_while_draining(webhook))
    assert (status, headers["connection"], rest) == (200, "close", b"")


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["one endless header", "endless headers"])
def test_endless_headers_are_431_and_take_no_memory(process: WebhookProcess, end: bytes) -> None:
    process.reset_peak()
    before = process.memory_mb

    async def flood() -> bytes:
        async with connected(process) as connection:
            connection.writer.write(b"GET /healthz HTTP/1.1\r\nHost: webhook.test\r\nX-Long: ")
            with suppress(OSError):
                for number in range(4000):
                    connection.writer.write(f"x{number}: ".encode() + 8000 * b"x" + end)
                    await connection.writer.drain()
            with suppress(OSError):
                return await connection.reader.read(200)
            return b""

    async def load() -> list[bytes]:
        return await asyncio.gather(*(flood() for _ in range(5)))

    answers = [each for each in asyncio.run(load()) if each]
    assert all(each.startswith(b"HTTP/1.1 431 ") for each in answers)
    assert process.peak_memory_mb - before < 20


def test_bytes_that_are_no_http_are_a_problem_with_a_request_id(process: WebhookProcess) -> None:
    async def refused() -> tuple[int, dict[str, str]]:
        async with connected(process) as connection:
            connection.writer.write(b"\x16\x03\x01\x02\x00\r\n\r\n")
            return await connection.answer()

    status, headers = asyncio.run(refused())
    assert (status, headers["content-type"], len(headers["x-request-id"])) == (400, "application/problem+json", 32)


@pytest.mark.parametrize(
    ("start", "status"),
    [(b"\x16\x03\x01\x02\x00\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + 101 * b"a:\r\n" + b"\r\n", 431)],
    ids=["no HTTP", "101 headers"],
)
def test_refusal_of_half_a_request_has_its_id_in_the_body_and_in_the_log(
    process: WebhookProcess, start: bytes, status: int
) -> None:
    async def refused() -> bytes:
        async with connected(process) as connection:
            connection.writer.write(start)
            return await asyncio.wait_for(connection.reader.read(), 5)

    head, _, body = asyncio.run(refused()).partition(b"\r\n\r\n")
    problem = json.loads(body)
    logged = [json.loads(each) for each in (process.folder / "webhook.log").read_text().splitlines()]
    assert (problem["status"], f"x-request-id: {problem['request_id']}" in head.decode().lower()) == (status, True)
    assert [each["status"] for each in logged if each.get("request_id") == problem["request_id"]] == [status]


@pytest.mark.parametrize(
    "start",
    [13_000 * b"GET /x HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\n" + 15_500 * b"a:\r\n"],
    ids=["pipelined requests", "headers"],
)
def test_objects_that_strangers_cause_take_little_memory(process: WebhookProcess, start: bytes) -> None:
    process.reset_peak()
    before = process.memory_mb

    async def load() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(25):
                connection = await stack.enter_async_context(connected(process))
                connection.writer.write(start)
            await asyncio.sleep(1)

    asyncio.run(load())
    assert process.peak_memory_mb - before < 20


def test_sender_that_hangs_up_in_the_body_is_charged_and_makes_no_error(tmp_path: Path) -> None:
    async def hang_up(webhook: WebhookProcess) -> None:
        for _ in range(5):
            async with connected(webhook) as connection:
                await connection.send(
                    "POST /api/v1/replicate/webhook HTTP/1.1", forged() | {"Content-Length": "9"}, b"x"
                )
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)

    with started(tmp_path, UNAUTHENTICATED_RATE_LIMIT_PER_SECOND="1") as webhook:
        asyncio.run(hang_up(webhook))
        logged = [json.loads(each) for each in (tmp_path / "webhook.log").read_text().splitlines()]
    statuses = [each["status"] for each in logged if each["msg"] == "request"]
    assert (statuses, [each for each in logged if "exception" in each]) == ([499, 499, 429, 429, 429], [])


def test_few_pipelined_requests_are_all_answered_and_of_too_many_the_first(process: WebhookProcess) -> None:
    async def pipelined(number: int) -> list[tuple[int, str]]:
        answers: list[tuple[int, str]] = []
        async with connected(process) as connection, asyncio.timeout(5):
            connection.writer.write(number * b"GET /healthz HTTP/1.1\r\nHost: webhook.test\r\n\r\n")
            with suppress(asyncio.IncompleteReadError):
                while len(answers) < number:
                    status, headers = await connection.answer()
                    answers.append((status, headers.get("connection", "")))
        return answers

    assert asyncio.run(pipelined(10)) == 10 * [(200, "")]
    assert asyncio.run(pipelined(100)) == [*(16 * [(200, "")]), (200, "close")]


def test_connection_with_a_bare_line_after_an_answer_is_closed_like_an_idle_one(tmp_path: Path) -> None:
    async def seconds_until_closed(webhook: WebhookProcess) -> float:
        async with connected(webhook) as connection, asyncio.timeout(5):
            await connection.send("GET /healthz HTTP/1.1", {})
            await connection.answer()
            began = time.monotonic()
            while not connection.reader.at_eof():
                connection.writer.write(b"\r\n")
                with suppress(TimeoutError):
                    await asyncio.wait_for(connection.reader.read(1), 0.2)
            return time.monotonic() - began

    with started(tmp_path, KEEP_ALIVE_SECONDS="1") as webhook:
        assert asyncio.run(seconds_until_closed(webhook)) < 2


def test_requests_on_one_connection_are_counted_each_by_itself(process: WebhookProcess) -> None:
    async def many() -> set[int]:
        async with connected(process) as connection:
            statuses = set()
            for _ in range(20):
                await connection.send("GET /healthz HTTP/1.1", {"X-Long": 8000 * "x"})
                statuses.add((await connection.answer())[0])
            body = {"Content-Length": "200000"}
            await connection.send("POST /api/v1/media/import-from-url HTTP/1.1", body, 200_000 * b"x")
            return statuses | {(await connection.answer())[0]}

    assert asyncio.run(many()) == {200, 401}
