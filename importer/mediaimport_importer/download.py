"""From the source into the scratch file, in one pass: counted, hashed, classified, limited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from mediaimport_importer import classify
from mediaimport_importer.content import Content, check_sha256, check_size
from mediaimport_importer.endings import TAIL_BYTES, is_cut
from mediaimport_importer.errors import RefusedError, UnavailableError
from mediaimport_importer.source.chunks import chunks
from mediaimport_importer.spool import scratch_exceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_api.spec import Expected

    from mediaimport_importer.classify import Format
    from mediaimport_importer.source.open import MediaSource
    from mediaimport_importer.spool import Spool


@dataclass(frozen=True)
class Limits:
    """What a source may be, and what is expected of it."""

    max_bytes: int
    scratch_bytes: int
    expected: Expected | None

    def check_promise(self, size_bytes: int | None) -> None:
        """Refuse early what says itself that it is too large, or not what is expected."""
        if size_bytes is None:
            return
        self.check_reached(size_bytes)
        if size_bytes > self.scratch_bytes:
            raise scratch_exceeded(self.scratch_bytes)
        check_size(size_bytes, self.expected)

    def check_reached(self, size_bytes: int) -> None:
        """Refuse what is larger than the limit."""
        if size_bytes > self.max_bytes:
            raise RefusedError(
                Reason.SOURCE_TOO_LARGE,
                f"the source is larger than the {self.max_bytes} bytes of limits.maxSizeBytes",
            )


@dataclass(frozen=True)
class Fetched:
    """A complete scratch file, and what its first bytes say that it is."""

    content: Content
    sniffed: Format


@dataclass(frozen=True)
class Watch:
    """Who wants to hear of a download: once when its head is there, then of every chunk."""

    classified: Callable[[Format], None]
    advanced: Callable[[int], None]


def download(source: MediaSource, spool: Spool, limits: Limits, watch: Watch) -> Fetched:
    """Fetch all of it; an AttemptError for what is not to be kept by its size, its hash, its start or its end."""
    digest, head, sniffed = hashlib.sha256(), b"", None
    for chunk in chunks(source.pieces()):
        limits.check_reached(spool.size_bytes + len(chunk))
        digest.update(chunk)
        spool.write(chunk)
        if sniffed is None:
            head, sniffed = chunk, classify.classify(chunk)
            watch.classified(sniffed)
        watch.advanced(spool.size_bytes)
    if sniffed is None:
        raise classify.not_media("an empty answer")
    check_size(spool.size_bytes, limits.expected)
    check_sha256(digest.hexdigest(), limits.expected)
    _check_end(spool, sniffed, head)
    return Fetched(Content(spool.path, spool.size_bytes, digest.hexdigest()), sniffed)


def _check_end(spool: Spool, sniffed: Format, head: bytes) -> None:
    with spool.path.open("rb") as file:
        file.seek(max(0, spool.size_bytes - TAIL_BYTES))
        tail = file.read()
    if is_cut(sniffed.extension, head=head, tail=tail, size_bytes=spool.size_bytes):
        raise UnavailableError(
            Reason.TRUNCATED, f"what was served is the beginning of a {sniffed.extension}: its end is missing"
        )
