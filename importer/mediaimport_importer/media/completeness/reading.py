"""Reading of a file's structure, and the three answers to whether it ends where it says."""

from __future__ import annotations

import mmap
from enum import Enum, auto
from typing import NamedTuple

Bytes = mmap.mmap | bytes


class Completeness(Enum):
    """Completeness of a file, as its format tells it."""

    WHOLE = auto()
    CUT = auto()
    UNKNOWN = auto()
    """The format does not say where it ends, or this file does not: what is there has no gap."""


def whole_if(condition: bool) -> Completeness:  # noqa: FBT001 - the one thing that it is about
    """Return WHOLE or CUT."""
    return Completeness.WHOLE if condition else Completeness.CUT


def unknown_if(condition: bool) -> Completeness:  # noqa: FBT001 - the one thing that it is about
    """Return UNKNOWN or CUT: of a file whose last piece is whole, and that may have had more pieces."""
    return Completeness.UNKNOWN if condition else Completeness.CUT


def big(data: Bytes, at: int, length: int = 4) -> int:
    """Return a big-endian number."""
    return int.from_bytes(data[at : at + length], "big")


def little(data: Bytes, at: int, length: int = 4) -> int:
    """Return a little-endian number."""
    return int.from_bytes(data[at : at + length], "little")


_MAX_ID_BYTES, _MAX_SIZE_BYTES = 4, 8


class ElementHeader(NamedTuple):
    """Header of an EBML element: https://www.rfc-editor.org/rfc/rfc8794#section-6."""

    kind: int
    size: int
    is_open: bool
    """The element's size is unknown."""
    content_at: int


def element_header(data: Bytes, at: int) -> ElementHeader | None:
    """Return the header of the element that starts there, None if none does; IndexError if the file ends in it."""
    id_length = _number_length(data[at])
    size_at = at + id_length
    size_length = _number_length(data[size_at])
    if id_length > _MAX_ID_BYTES or size_length > _MAX_SIZE_BYTES:
        return None
    unknown = (1 << 7 * size_length) - 1
    size = big(data, size_at, size_length) & unknown
    return ElementHeader(big(data, at, id_length), size, size == unknown, size_at + size_length)


def _number_length(first: int) -> int:
    """Return the length of the number that starts with that byte: 1, and 1 for each zero bit in front."""
    return 9 - first.bit_length()
