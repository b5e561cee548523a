"""GETs of records, thousands a second, for the commands that walk the store.

aiohttp takes three times the CPU of these, and parsing a record between two GETs costs a third more than the same
number of each in a row: both push the other's code out of the processor's caches.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httptools
from aiohappyeyeballs import start_connection

from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.sidecars import MAX_SIDECAR_BYTES, open_fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.store_settings import StoreSettings

    from mediaimport_webhook.store.sidecars import Fetch

_TOTAL_S, _CONNECT_S = 5.0, 3.0
_EYEBALLS_S = 0.25
_TOGETHER = 32
_FINAL = 200
"""First status that is no interim one."""
_PORTS = {"http": 80, "https": 443}
_HEADERS = "Accept-Encoding: identity\r\nUser-Agent: mediaimport\r\n"
_BROKEN = (OSError, TimeoutError, httptools.HttpParserError, httptools.HttpParserUpgrade)


@asynccontextmanager
async def open_record_fetch(settings: StoreSettings) -> AsyncIterator[Fetch]:
    """Open an HTTP client for presigned URLs of records. It trusts the store's own CA bundle, if there is one.

    A host behind a proxy of the environment has that of `open_fetch`.
    """
    connections = Connections(ssl.create_default_context(cafile=settings.ca_bundle))
    is_proxied = cache(_is_proxied)
    try:
        async with open_fetch(settings) as fetch:

            async def read(url: str) -> tuple[int, bytes]:
                origin, _ = _parted(url)
                return await (fetch(url) if is_proxied(origin) else connections.get(url))

            yield Together(read).fetch
    finally:
        connections.close()


def _is_proxied(origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme in getproxies() and not proxy_bypass(parts.netloc)


def _parted(url: str) -> tuple[str, str]:
    """Return scheme and authority, and what comes after them."""
    path = url.index("/", url.index("//") + 2)
    return url[:path], url[path:]


class Together:
    """Answers of a fetch, handed out some at a time: what is made of them is made in a row."""

    def __init__(self, fetch: Fetch, *, some: int = _TOGETHER) -> None:
        self._fetch = fetch
        self._some = some
        self._reading = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def fetch(self, url: str) -> tuple[int, bytes]:
        """Return status and body, once some others have theirs or no other is read; StoreUnavailableError."""
        # Those that were handed out together are all used before the first of them asks again.
        await asyncio.sleep(0)
        self._reading += 1
        turn = asyncio.get_running_loop().create_future()
        try:
            answer = await self._fetch(url)
            self._waiting.append(turn)
        finally:
            self._reading -= 1
            if not self._reading or len(self._waiting) >= self._some:
                self._hand_out()
        await turn
        return answer

    def _hand_out(self) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)
        self._waiting.clear()


class _Place(NamedTuple):
    """Server that a URL names."""

    host: str
    port: int
    is_encrypted: bool
    header: str
    """Value of `Host` as it is signed: a default port is left out."""


class Connections:
    """HTTP connections that are kept open, as many as there are GETs at the same time."""

    def __init__(self, trust: ssl.SSLContext, *, total_s: float = _TOTAL_S) -> None:
        self._trust = trust
        self._total_s = total_s
        self._kept: dict[_Place, list[_Connection]] = {}
        self.place_of = cache(_place_of)

    async def get(self, url: str) -> tuple[int, bytes]:
        """Return status and body, of a too long body a little more than the limit; StoreUnavailableError."""
        origin, path = _parted(url)
        place = self.place_of(origin)
        request = f"GET {path} HTTP/1.1\r\nHost: {place.header}\r\n{_HEADERS}\r\n".encode("ascii")
        try:
            async with asyncio.timeout(self._total_s):
                return await self._answer(place, request)
        except _BROKEN as error:
            raise StoreUnavailableError(type(error).__name__) from error

    async def _answer(self, place: _Place, request: bytes) -> tuple[int, bytes]:
        kept = self._kept.setdefault(place, [])
        while kept:
            connection = kept.pop()
            if connection.is_open:
                try:
                    return await self._asked(connection, request, kept)
                except ConnectionError:
                    # The server may close a connection at the moment of a request.
                    break
        return await self._asked(await self._connected(place), request, kept)

    async def _asked(self, connection: _Connection, request: bytes, kept: list[_Connection]) -> tuple[int, bytes]:
        answer = await connection.ask(request)
        if connection.is_open:
            kept.append(connection)
        return answer

    async def _connected(self, place: _Place) -> _Connection:
        loop = asyncio.get_running_loop()
        trust, name = (self._trust, place.host) if place.is_encrypted else (None, None)
        async with asyncio.timeout(_CONNECT_S):
            addresses = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            connected = await start_connection(addresses, happy_eyeballs_delay=_EYEBALLS_S)
            _, connection = await loop.create_connection(_Connection, sock=connected, ssl=trust, server_hostname=name)
        return connection

    def close(self) -> None:
        """Close those that wait for a request."""
        for each in self._kept.values():
            for connection in each:
                connection.close()
        self._kept.clear()


def _place_of(origin: str) -> _Place:
    parts = urlsplit(origin)
    host, default = parts.hostname or "", _PORTS[parts.scheme]
    port = parts.port or default
    shown = f"[{host}]" if ":" in host else host
    return _Place(host, port, parts.scheme == "https", shown if port == default else f"{shown}:{port}")


class _Connection(asyncio.Protocol):
    """Connection with one request at a time. The parser is llhttp, as aiohttp's."""

    _transport: asyncio.Transport
    _parser: httptools.HttpResponseParser
    _answer: asyncio.Future[tuple[int, bytes]] | None = None
    _body: bytearray

    @property
    def is_open(self) -> bool:
        """Return whether another request can be sent."""
        return not self._transport.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body; an error of the connection or of the parser. A caller that goes away closes it."""
        self._parser, self._body = httptools.HttpResponseParser(self), bytearray()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None

    def close(self) -> None:
        """Close it at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a request that has no whole answer."""
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._answer is None:  # Nobody asked.
            return self.close()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(error)
        return None

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body
        if len(self._body) > MAX_SIDECAR_BYTES:
            self.close()
            self._finish()

    def on_message_complete(self) -> None:
        """End the request, but for an interim answer."""
        if self._parser.get_status_code() < _FINAL:
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._finish()

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
