"""Reading of a file's structure, and the three answers to whether it ends where it says."""

from __future__ import annotations

import mmap
from enum import Enum, auto

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
