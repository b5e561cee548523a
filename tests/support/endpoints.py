"""Endpoints on loopback that record what they get, and answer as they are told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from standardwebhooks import Webhook

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answer = Callable[["Receiver", asyncio.StreamWriter], Awaitable[None]]

KEY = "whsec_" + "c2lnbmluZyBrZXkgb2YgdGhlIHRlc3RzLCAzMiBi"
OTHER_KEY = "whsec_" + "dGhlIGtleSBiZWZvcmUgaXQsIGFsc28gMzIgYnl0"


async def accept(_: Receiver, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def answer(status: str, *headers: str, body: bytes = b"") -> Answer:
    """An answer with that status line, headers and body."""

    async def write(_: Receiver, writer: asyncio.StreamWriter) -> None:
        lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", "")
        writer.write("\r\n".join(lines).encode() + body)

    return write


@dataclass
class Receiver:
    """One endpoint. `events` has headers and body of each request."""

    answer: Answer = accept
    port: int = 0
    events: list[tuple[dict[str, str], str]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    sent_bytes: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a connection has ended before its request was whole."""

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.events]

    def verify(self, key: str = KEY) -> None:
        """Raise unless each event is signed with the key, however long ago."""
        for headers, body in self.events:
            sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
            assert Webhook(key).sign(headers["webhook-id"], sent, body) in headers["webhook-signature"].split()

    async def until(self, number: int) -> None:
        """Wait until so many events have come."""
        async with asyncio.timeout(60):
            while len(self.events) < number:
                self.arrived.clear()
                await self.arrived.wait()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.events.append((headers, body.decode()))
            self.arrived.set()
            await self.answer(self, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def receiving(
    answer: Answer = accept, *, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Receiver]:
    """Serve an endpoint on 127.0.0.1."""
    receiver = Receiver(answer)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(receiver.take(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
