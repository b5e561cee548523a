"""The size that a JPEG's header says. Pure."""

from __future__ import annotations

_MARKER = 0xFF
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return width and height that a JPEG's own header says, None if it is no JPEG."""
    if not jpeg.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == _MARKER:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        at += 2 + length
    return None
