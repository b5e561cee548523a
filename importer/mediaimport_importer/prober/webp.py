"""What ffmpeg cannot read: the canvas and the frames of an animated WebP. https://developers.google.com/speed/webp/docs/riff_container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

_HEADER = 12
_MAX_FRAMES = 100_000


@dataclass(frozen=True)
class Animation:
    """An animated WebP."""

    width: int
    height: int
    frames: int
    duration_ms: int


def animation(file: BinaryIO) -> Animation | None:
    """Return the animation in a file, None if it is none. Reads chunk headers only; bounded by _MAX_FRAMES."""
    head = file.read(_HEADER)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    name, canvas = _chunk(file)
    if name != b"VP8X" or not canvas[0] & 2:
        return None
    frames, duration_ms = 0, 0
    while frames < _MAX_FRAMES:
        name, start = _chunk(file)
        if not name:
            break
        if name == b"ANMF":
            frames, duration_ms = frames + 1, duration_ms + int.from_bytes(start[12:15], "little")
    return Animation(_size(canvas[4:7]), _size(canvas[7:10]), frames, duration_ms) if frames else None


def _chunk(file: BinaryIO) -> tuple[bytes, bytes]:
    """Return the next chunk's name and its first 16 bytes, padded with zeros; b"" at the end."""
    header = file.read(8)
    length = int.from_bytes(header[4:8], "little")
    start = file.read(min(length, 16))
    file.seek(length - len(start) + (length & 1), 1)
    return header[:4], start.ljust(16, b"\0")


def _size(field: bytes) -> int:
    return int.from_bytes(field, "little") + 1
