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
    from collections.abc import Iterator
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


@contextmanager
def opened(
    source: Source,
    policy: SourcePolicy,
    pace: Pace,
    *,
    headers_directory: Path | None = None,
    proxy: Proxy | None = None,
) -> Iterator[MediaSource]:
    """Ask for the source and judge its answer; yield it ready to be read."""
    if source.url.startswith("data:"):
        yield _Held(decode(source.url))
        return
    guard = GuardedBackend(policy, pace)
    network = guard if proxy is None else ProxiedNetwork(proxy, guard, pace)
    secret = headers.read(headers_directory, source.url) if source.headers_secret_ref else None
    with HttpSource(source.url, policy, network, expires_at=source.expires_at, secret=secret) as media:
        yield media
