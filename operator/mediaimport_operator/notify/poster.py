"""POSTs to endpoints: to checked addresses only, without redirects, bounded in time and in bytes."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpcore
from mediaimport_runtime.tls import default_tls_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from mediaimport_api.source_policy import SourcePolicy

    Resolve = Callable[[str, int], Awaitable[list[str]]]

TIMEOUT_S = 10.0
"""For name, connection, request and answer together."""
MAX_ANSWER_BYTES = 64 * 1024
_SUCCESS = range(200, 300)

log = logging.getLogger(__name__)


class AddressBlockedError(Exception):
    """One of a host's addresses is not allowed; the text says which and why."""


@dataclass(frozen=True)
class Answer:
    """The outcome of one try. `error` has no URL and nothing that the endpoint sent."""

    status: int | None = None
    error: str = ""
    retry_after_s: float = 0.0

    @property
    def accepted(self) -> bool:
        """True if the endpoint has the event."""
        return self.status in _SUCCESS

    @property
    def gone(self) -> bool:
        """True if the endpoint wants nothing any more."""
        return self.status == HTTPStatus.GONE


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once, in the resolver's order."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects once, to allowed addresses only; the name is resolved once, so DNS rebinding changes nothing."""

    def __init__(self, policy: SourcePolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers; AddressBlockedError if any is not allowed."""
        failure: Exception | None = None
        for address in await self._checked(host, port):
            try:
                self._stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return self._stream
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def _checked(self, host: str, port: int) -> list[str]:
        addresses = await self._resolve(host, port)
        for address in addresses:
            if (refusal := self._policy.address_refusal(ipaddress.ip_address(address))) is not None:
                raise AddressBlockedError(refusal)
        return addresses

    async def aclose(self) -> None:
        """Close the connection: httpcore leaves it to the garbage collector if it is cancelled in a TLS handshake."""
        if self._stream is not None:
            await self._stream.aclose()

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore does between tries."""
        await asyncio.sleep(seconds)


class Poster:
    """Sends messages. Each has a connection of its own, so that every one goes to an address that was just checked."""

    def __init__(self, policy: SourcePolicy, *, tls: ssl.SSLContext | None = None, resolve: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._tls = tls or default_tls_context()

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """POST a body of JSON; no failure of the endpoint is raised."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(url, body.encode(), headers)
        except (TimeoutError, httpcore.TimeoutException):
            return Answer(error=f"no answer within {TIMEOUT_S:.0f} s")
        except AddressBlockedError as error:
            return Answer(error=f"the address is not allowed: {error}")
        except socket.gaierror as error:
            return Answer(error=f"the name does not resolve: {error.strerror}")
        except httpcore.ProtocolError:
            return Answer(error="the answer is no valid HTTP")
        except (httpcore.NetworkError, OSError) as error:
            return Answer(error=_describe(error))

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        sent = {"content-type": "application/json", "user-agent": "mediaimport", "connection": "close", **headers}
        async with (
            aclosing(GuardedBackend(self._policy, self._resolve)) as backend,
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
            pool.stream(
                "POST", url, headers=[(name.encode(), value.encode()) for name, value in sent.items()], content=body
            ) as response,
        ):
            await _read_some(response)
            return _answer(response)


async def _read_some(response: httpcore.Response) -> None:
    """Read the answer's body, and of a long one so much that the endpoint is not cut off in a short one."""
    received = 0
    async for piece in response.aiter_stream():
        received += len(piece)
        if received >= MAX_ANSWER_BYTES:
            return


def _answer(response: httpcore.Response) -> Answer:
    if response.status in _SUCCESS:
        return Answer(response.status)
    error = f"HTTP {response.status}"
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        error += ": redirects are not followed"
    return Answer(response.status, error, _retry_after_s(response))


def _retry_after_s(response: httpcore.Response) -> float:
    """Return Retry-After in seconds; 0 without one, or for a date."""
    value = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"").strip()
    return float(value) if value.isdigit() and len(value) <= len("86400") else 0.0


def _describe(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"
