"""The way to the network: a name is resolved once, every address is judged, the connection goes to a judged literal.

Checking first and fetching later loses to DNS rebinding; here there is no second resolution. TLS still checks the name.
"""

from __future__ import annotations

import ipaddress
import socket
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Protocol

import httpcore
from mediaimport_api.reasons import Reason

from mediaimport_importer import background
from mediaimport_importer.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from mediaimport_api.source_policy import SourcePolicy

    from mediaimport_importer.source.pace import Pace

    Resolve = Callable[[str, int], list[str]]

RESOLVE_S = 10.0


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once, in the resolver's order."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Network(Protocol):
    """A way to sources. `via` names it in messages, when there is something to name."""

    via: str

    def pool(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:
        """Return connections for requests to that host and port."""


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to allowed addresses only, and keeps the pace. `what` is at the other end, in messages."""

    def __init__(self, policy: SourcePolicy, pace: Pace, *, resolve: Resolve = resolve, what: str = "source") -> None:
        self.via = ""
        self._policy = policy
        self._pace = pace
        self._resolve = resolve
        self._what = what
        self._network = httpcore.SyncBackend()

    def pool(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:  # noqa: ARG002
        """Return connections that are judged when they are made."""
        return httpcore.ConnectionPool(ssl_context=tls, network_backend=self)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's; the pace decides instead
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers; SourceBlocked if any of them is bad."""
        failure: Exception | None = None
        for address in self.judged(host, port):
            try:
                stream = self._network.connect_tcp(
                    address, port, self._pace.allowance_s(), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return PacedStream(stream, self._pace)
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - no path is a good one
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Refuse: no source is there."""
        raise RefusedError(Reason.SOURCE_BLOCKED, "a source cannot be a Unix socket")

    def judged(self, host: str, port: int) -> list[str]:
        """Return the host's addresses; SourceBlocked if any of them is bad."""
        addresses = self._addresses(host, port)
        for address in addresses:
            refusal = self._policy.address_refusal(ipaddress.ip_address(address))
            if refusal is not None:
                raise RefusedError(Reason.SOURCE_BLOCKED, f"the {self._what} {host} is not allowed: {refusal}")
        return addresses

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve within a clock; getaddrinfo itself has none."""
        lookup = background.start("resolve", lambda: self._resolve(host, port))
        try:
            return lookup.result(timeout=min(RESOLVE_S, self._pace.allowance_s()))
        except (OSError, UnicodeError, FutureTimeoutError) as error:
            why = error.strerror if isinstance(error, socket.gaierror) else "no answer"
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE, f"the name of the {self._what}, {host}, does not resolve: {why}"
            ) from error


class PacedStream(httpcore.NetworkStream):
    """A connection whose every wait is allowed and counted by the pace."""

    def __init__(self, stream: httpcore.NetworkStream, pace: Pace) -> None:
        self._stream = stream
        self._pace = pace

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the pace decides
        """Return what arrives."""
        allowance_s, begun = self._pace.allowance_s(), self._pace.now()
        data = self._stream.read(max_bytes, allowance_s)
        self._pace.count(len(data), waited_s=self._pace.now() - begun)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the pace decides
        """Send."""
        self._stream.write(buffer, self._pace.allowance_s())

    def close(self) -> None:
        """Close."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the pace decides
    ) -> httpcore.NetworkStream:
        """Shake hands under the name that the URL has."""
        secured = self._stream.start_tls(ssl_context, server_hostname, self._pace.allowance_s())
        return PacedStream(secured, self._pace)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        """Return what the connection below knows."""
        return self._stream.get_extra_info(info)
