"""The one thing that a source is to the import, and which one a URL asks for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mediaimport_importer.source import headers
from mediaimport_importer.source.data_uri import decode
from mediaimport_importer.source.guard import GuardedBackend
from mediaimport_importer.source.http import HttpSource
from mediaimport_importer.source.proxy import ProxiedNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_api.source_policy import SourcePolicy
    from mediaimport_api.spec import Source

    from mediaimport_importer.source.pace import Pace
    from mediaimport_importer.source.proxy import Proxy


class MediaSource(Protocol):
    """Bytes that come in pieces. `size_bytes` is what was promised, None if nothing was."""

    size_bytes: int | None

    def pieces(self) -> Iterator[bytes]:
        """Yield all of them, once; an AttemptError when they end early."""


@dataclass
class _Held:
    """Bytes that are there already."""

    data: bytes

    def __post_init__(self) -> None:
        self.size_bytes: int | None = len(self.data)

    def pieces(self) -> Iterator[bytes]:
        yield self.data


@dataclass(frozen=True)
class Access:
    """How sources are asked: what they may be, how long they may take, by which way, with what."""

    policy: SourcePolicy
    pace: Pace
    proxy: Proxy | None = None
    headers_directory: Path | None = None
    asked: Callable[[], object] = lambda: None
    """Called when a request is sent, before its answer is waited for."""


@contextmanager
def opened(source: Source, access: Access) -> Iterator[MediaSource]:
    """Ask for the source and judge its answer; yield it ready to be read."""
    if source.url.startswith("data:"):
        access.asked()
        yield _Held(decode(source.url))
        return
    guard = GuardedBackend(access.policy, access.pace)
    network = guard if access.proxy is None else ProxiedNetwork(access.proxy, guard, access.pace)
    secret = headers.read(access.headers_directory, source.url) if source.headers_secret_ref else None
    with HttpSource(
        source.url, access.policy, network, expires_at=source.expires_at, secret=secret, asked=access.asked
    ) as media:
        yield media
