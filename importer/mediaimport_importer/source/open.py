"""Sources of media: http, https or a data: URI, opened by the scheme of the URL."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from mediaimport_importer.errors import AttemptError
from mediaimport_importer.source import headers, visibility
from mediaimport_importer.source.data_uri import decode
from mediaimport_importer.source.guard import GuardedBackend, Pace
from mediaimport_importer.source.http import HttpSource
from mediaimport_importer.source.proxy import ProxiedNetwork, Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_api.source_policy import SourcePolicy


DEADLINE_SHARE = 0.9
"""Of the Job's deadline, which began before this process and would end it without a reason."""


class SourceFields(Protocol):
    """Fields of `spec.source` that a request needs."""

    @property
    def location(self) -> str:
        """The URL."""

    @property
    def expires_at(self) -> datetime | None:
        """The estimated expiry of the URL."""

    @property
    def headers_secret_ref(self) -> object | None:
        """A Secret with request headers, None without one."""

    @property
    def provider(self) -> object | None:
        """The generator that made the media, None if nobody says that one did."""


class MediaSource(Protocol):
    """Bytes that arrive in pieces. `size_bytes` is None if the source gave no Content-Length.

    `delimited`, once they have arrived: the transport proves that they are all. A body that ends with its connection
    (HTTP/1.0, or `Connection: close` without length and chunks), cut short, reads as complete.
    """

    size_bytes: int | None
    delimited: bool

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes, once; AttemptError if they end early."""


@dataclass
class _Decoded:
    """The bytes of a data: URI."""

    data: bytes

    def __post_init__(self) -> None:
        self.size_bytes: int | None = len(self.data)
        self.delimited = True

    def pieces(self) -> Iterator[bytes]:
        yield self.data


@dataclass(frozen=True)
class Access:
    """Settings for requests to sources: policy, pace, proxy, secret headers."""

    policy: SourcePolicy
    pace: Pace
    proxy: Proxy | None = None
    headers_directory: Path | None = None
    on_request_sent: Callable[[], object] = lambda: None
    """Called when a request is sent, before its response is awaited."""
    created_at: datetime | None = None
    """The creation of the resource, None if it is unknown."""
    sleep: Callable[[float], None] = time.sleep


@contextmanager
def opened(source: SourceFields, access: Access) -> Iterator[MediaSource]:
    """Request the source's URL and check its response; yield it ready to be read."""
    url = source.location
    if url.startswith("data:"):
        access.on_request_sent()
        yield _Decoded(decode(url))
        return
    guard = GuardedBackend(access.policy, access.pace)
    network = guard if access.proxy is None else ProxiedNetwork(access.proxy, guard, access.pace)
    secret = headers.read(access.headers_directory, url) if source.headers_secret_ref else None
    is_output = source.provider is not None
    waits_s = visibility.waits_s(
        expires_at=source.expires_at, is_output=is_output, created_at=access.created_at, now=datetime.now(UTC)
    )
    requested = HttpSource(
        url,
        access.policy,
        network,
        expires_at=source.expires_at,
        secret=secret,
        on_request_sent=access.on_request_sent,
        visibility_waits_s=waits_s,
        sleep=access.sleep,
    )
    with ExitStack() as stack:
        yield _entered(stack, requested, is_young_output=is_output and bool(waits_s))


def _entered(stack: ExitStack, requested: HttpSource, *, is_young_output: bool) -> MediaSource:
    try:
        return stack.enter_context(requested)
    except AttemptError as refused:
        if is_young_output and visibility.may_appear(refused):
            raise visibility.not_visible_yet(refused) from refused
        raise
