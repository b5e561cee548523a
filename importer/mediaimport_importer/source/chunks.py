"""A body in pieces of any size, cut into the chunks that the import works with. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_importer.classify import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_BYTES = 1024 * 1024


def chunks(
    pieces: Iterable[bytes], *, first_bytes: int = HEAD_BYTES, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """Yield the head that tells what it is, then chunks of one size, then the rest: the last is never empty."""
    buffer, wanted = bytearray(), first_bytes
    for piece in pieces:
        buffer += piece
        while len(buffer) >= wanted:
            yield bytes(buffer[:wanted])
            del buffer[:wanted]
            wanted = chunk_bytes
    if buffer:
        yield bytes(buffer)
