"""The download: from the source into the scratch file, in one pass: counted, hashed, classified, limited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError, UnavailableError
from mediaimport_importer.media import classify
from mediaimport_importer.media.completeness.reading import Completeness
from mediaimport_importer.media.completeness.walks import completeness_of, is_header_alone
from mediaimport_importer.spool import Content, Spool, scratch_exceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from mediaimport_api.spec import Expected

    from mediaimport_importer.media.formats import Format
    from mediaimport_importer.source.open import MediaSource

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Limits:
    """Sizes that a source must not exceed, and the spec's expectations."""

    max_bytes: int
    scratch_bytes: int
    expected: Expected | None

    @property
    def has_checksum(self) -> bool:
        """Tell whether the spec has the checksum of what it expects: then no other test of the bytes is needed."""
        return self.expected is not None and self.expected.sha256 is not None

    def check_content_length(self, size_bytes: int | None) -> None:
        """Refuse a source before its body is read if its Content-Length is too large or not the expected one."""
        if size_bytes is None:
            return
        self.check_received(size_bytes)
        if size_bytes > self.scratch_bytes:
            raise scratch_exceeded(self.scratch_bytes)
        self.check_size(size_bytes)

    def check_received(self, size_bytes: int) -> None:
        """Raise SourceTooLarge if more bytes were received than limits.maxSizeBytes allows."""
        if size_bytes > self.max_bytes:
            raise RefusedError(
                Reason.SOURCE_TOO_LARGE,
                f"the source is larger than the {self.max_bytes} bytes of limits.maxSizeBytes",
            )

    def check_size(self, size_bytes: int) -> None:
        """Raise SizeMismatch if the spec expects another size."""
        if self.expected is not None and self.expected.size_bytes not in {None, size_bytes}:
            raise RefusedError(
                Reason.SIZE_MISMATCH,
                f"the source has {size_bytes} bytes, but spec.expected.sizeBytes is {self.expected.size_bytes}",
            )

    @property
    def knows_whole(self) -> bool:
        """Tell whether the spec says what the whole is: then `check_size` or `check_checksum` has proven its end."""
        return self.expected is not None and (self.expected.sha256 or self.expected.size_bytes) is not None

    def check_checksum(self, sha256: str) -> None:
        """Raise ChecksumMismatch if the spec expects another SHA-256."""
        if self.expected is not None and self.expected.sha256 not in {None, sha256}:
            raise RefusedError(
                Reason.CHECKSUM_MISMATCH, f"the source's SHA-256 is {sha256}, but spec.expected.sha256 is another one"
            )


@dataclass(frozen=True)
class Downloaded:
    """A complete scratch file and the format that its first bytes show."""

    content: Content
    sniffed: Format
    proven: bool = True
    """True if the transport, the spec or the format itself vouches that all of it came."""


@dataclass(frozen=True)
class DownloadObserver:
    """Callbacks of a download: `on_format` once, when the head has arrived; `on_progress` after every chunk."""

    on_format: Callable[[Format], None]
    on_progress: Callable[[int], None]


def download(source: MediaSource, spool: Spool, limits: Limits, observer: DownloadObserver) -> Downloaded:
    """Download the whole source; AttemptError if its size, its checksum, its start or its end is wrong."""
    digest, sniffed = hashlib.sha256(), None
    for chunk in chunks(source.pieces()):
        limits.check_received(spool.size_bytes + len(chunk))
        digest.update(chunk)
        spool.write(chunk)
        if sniffed is None:
            sniffed = classify.classify(chunk, trusted=limits.has_checksum)
            observer.on_format(sniffed)
        observer.on_progress(spool.size_bytes)
    if sniffed is None:
        raise classify.not_media("an empty answer")
    limits.check_size(spool.size_bytes)
    limits.check_checksum(digest.hexdigest())
    proven = source.delimited or limits.knows_whole or _proves_end(spool.path, sniffed)
    if not limits.knows_whole:
        _check_media(spool.path, sniffed)
    content = Content(spool.path, spool.size_bytes, digest.hexdigest(), spool.crc64nvme)
    return Downloaded(content, sniffed, proven)


def chunks(
    pieces: Iterable[bytes], *, first_bytes: int = classify.HEAD_BYTES, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """Yield a body in pieces of any size as the head to classify, chunks of one size and a rest that is not empty."""
    buffer, size = bytearray(), first_bytes
    for piece in pieces:
        buffer += piece
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
            size = chunk_bytes
    if buffer:
        yield bytes(buffer)


def _check_media(path: Path, sniffed: Format) -> None:
    """Raise Truncated for an initialisation segment: a header that a generator writes before its pictures."""
    if is_header_alone(path, sniffed.extension):
        raise UnavailableError(
            Reason.TRUNCATED,
            f"the source served the header of a {sniffed.extension} alone (an initialisation segment), without any"
            " picture or sound; check that the source is complete",
        )


def _proves_end(path: Path, sniffed: Format) -> bool:
    """Tell whether the format says that this is its end; Truncated if it says that its end is missing."""
    completeness = completeness_of(path, sniffed.extension)
    if completeness is Completeness.CUT:
        raise UnavailableError(
            Reason.TRUNCATED, f"the source served only the beginning of a {sniffed.extension}: its end is missing"
        )
    return completeness is Completeness.WHOLE
