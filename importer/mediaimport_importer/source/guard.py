"""The guarded way to the network, against SSRF: addresses are checked before each connection, waits are bounded.

A name is resolved once, every address is checked, and the connection goes to a checked address. Checking first and
fetching later loses to DNS rebinding; here there is no second resolution. TLS still verifies the name.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import httpcore
from mediaimport_api.reasons import Reason

from mediaimport_importer import background
from mediaimport_importer.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from mediaimport_api.source_policy import SourcePolicy

    Resolve = Callable[[str, int], list[str]]

RESOLVE_S = 10.0
FIRST_BYTE_VARIABLE = "SOURCE_FIRST_BYTE_TIMEOUT_SECONDS"
FIRST_BYTE_S = 300


@dataclass
class Pace:
    """The deadline and the minimum rate of one download. Only time spent waiting for the source counts for the rate.

    It is enforced below the HTTP library, whose timeouts a slow drip of header or body escapes.
    """

    deadline_s: float
    """On the clock of `now`."""
    silence_s: float = 30.0
    """The longest wait for one connection, handshake or read."""
    first_byte_s: float = FIRST_BYTE_S
    """The longest wait, in all, from a request to the first byte of its body: some sources make it on demand."""
    window_s: float = 30.0
    min_bytes_per_s: int = 1024
    now: Callable[[], float] = time.monotonic
    _waited_s: float = field(default=0.0, init=False)
    _bytes: int = field(default=0, init=False)
    _awaits_body: bool = field(default=False, init=False)

    def begin_request(self) -> None:
        """Begin the wait for the first byte of a body."""
        self._awaits_body, self._bytes, self._waited_s = True, 0, 0.0

    def begin_body(self) -> None:
        """End the wait for the first byte: from here on silence and rate count."""
        if self._awaits_body:
            self._awaits_body, self._bytes, self._waited_s = False, 0, 0.0

    def read_timeout_s(self) -> float:
        """Return the timeout of the next read; SourceUnavailable once the deadline, or the first byte's, has passed."""
        timeout_s = self.timeout_s()
        if not self._awaits_body:
            return timeout_s
        left = self.first_byte_s - self._waited_s
        if left <= 0:
            self.raise_if_no_body()
        return min(self.deadline_s - self.now(), left)

    def raise_if_no_body(self) -> None:
        """Raise SourceUnavailable if a request has brought no byte of its body yet: its time is over."""
        self.timeout_s()
        if self._awaits_body:
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE,
                f"the source sent no byte of its body within {self.first_byte_s:.0f} s; raise"
                f" {FIRST_BYTE_VARIABLE} if it is just slow",
            )

    def timeout_s(self) -> float:
        """Return the timeout of the next wait; SourceUnavailable once the deadline has passed."""
        left = self.deadline_s - self.now()
        if left <= 0:
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE,
                "the source did not deliver within the deadline; raise limits.deadlineSeconds if it is just slow",
            )
        return min(left, self.silence_s)

    def count(self, received_bytes: int, *, waited_s: float) -> None:
        """Count one read; SourceUnavailable if a whole window brought too few bytes."""
        self._bytes += received_bytes
        self._waited_s += waited_s
        if self._awaits_body or self._waited_s < self.window_s:
            return
        if self._bytes < self.window_s * self.min_bytes_per_s:
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE,
                f"the source sent {self._bytes} bytes in {self._waited_s:.0f} s, less than"
                f" {self.min_bytes_per_s} bytes a second",
            )
        self._bytes, self._waited_s = 0, 0.0


class Network(Protocol):
    """A way to sources. `via` names a proxy in messages, empty without one."""

    via: str
    pace: Pace

    def pool(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:
        """Return a pool for requests to that host and port."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once, in the resolver's order."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to allowed addresses only, at the pace. `peer` names the other end in messages."""

    def __init__(self, policy: SourcePolicy, pace: Pace, *, resolve: Resolve = resolve, peer: str = "source") -> None:
        self.via = ""
        self.pace = pace
        self._policy = policy
        self._resolve = resolve
        self._peer = peer
        self._network = httpcore.SyncBackend()

    def pool(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:  # noqa: ARG002 - the interface of Network
        """Return a pool whose connections are checked when they are made."""
        return httpcore.ConnectionPool(ssl_context=tls, network_backend=self)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's; the pace decides instead
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers; SourceBlocked if any of them is not allowed."""
        failure: Exception | None = None
        for address in self.checked_addresses(host, port):
            try:
                stream = self._network.connect_tcp(address, port, self.pace.timeout_s(), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return PacedStream(stream, self.pace)
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - every path is refused
        timeout: float | None = None,  # noqa: ARG002 - the pace decides
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - the interface of httpcore
    ) -> httpcore.NetworkStream:
        """Raise SourceBlocked: no source listens on a Unix socket."""
        raise RefusedError(Reason.SOURCE_BLOCKED, "a source cannot be a Unix socket")

    def checked_addresses(self, host: str, port: int) -> list[str]:
        """Return the host's addresses; SourceBlocked if any of them is not allowed."""
        addresses = self._addresses(host, port)
        for address in addresses:
            refusal = self._policy.address_refusal(ipaddress.ip_address(address))
            if refusal is not None:
                raise RefusedError(Reason.SOURCE_BLOCKED, f"the {self._peer} {host} is not allowed: {refusal}")
        return addresses

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve the host in a thread, because getaddrinfo has no timeout."""
        lookup = background.start("resolve", lambda: self._resolve(host, port))
        try:
            return lookup.result(timeout=min(RESOLVE_S, self.pace.timeout_s()))
        except (OSError, UnicodeError, FutureTimeoutError) as error:
            why = error.strerror if isinstance(error, socket.gaierror) else "no answer"
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE, f"the name of the {self._peer}, {host}, does not resolve: {why}"
            ) from error


class PacedStream(httpcore.NetworkStream):
    """A connection that waits no longer than the pace allows."""

    def __init__(self, stream: httpcore.NetworkStream, pace: Pace) -> None:
        self._stream = stream
        self._pace = pace

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the pace decides
        """Return the bytes that arrive, and count them."""
        timeout_s, begun = self._pace.read_timeout_s(), self._pace.now()
        try:
            data = self._stream.read(max_bytes, timeout_s)
        except httpcore.ReadTimeout:
            self._pace.raise_if_no_body()
            raise
        self._pace.count(len(data), waited_s=self._pace.now() - begun)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the pace decides
        """Send the buffer."""
        self._stream.write(buffer, self._pace.timeout_s())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the pace decides
    ) -> httpcore.NetworkStream:
        """Negotiate TLS for the host name in the URL, not for the address."""
        secured = self._stream.start_tls(ssl_context, server_hostname, self._pace.timeout_s())
        return PacedStream(secured, self._pace)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        """Return what the connection below has under that name."""
        return self._stream.get_extra_info(info)
