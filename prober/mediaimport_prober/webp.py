"""Reader of animated WebP (canvas, frames, durations), which ffmpeg cannot read.

https://developers.google.com/speed/webp/docs/riff_container
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = 12
_FRAME_HEADER = 16
_MAX_FRAMES = 100_000
_MAX_FRAME_BYTES = 64 * 1024 * 1024
_ANIMATED, _ALPHA = 0x02, 0x10
_PICTURE = frozenset({b"ALPH", b"VP8 ", b"VP8L"})


@dataclass(frozen=True)
class Animation:
    """Size, frame count and duration of an animated WebP."""

    width: int
    height: int
    frames: int
    duration_ms: int
    alpha: bool


@dataclass(frozen=True)
class Still:
    """The first frame of an animation as a WebP file, and its offset on the canvas."""

    webp: bytes
    width: int
    height: int
    x: int
    y: int
    fills: bool
    """True if the frame is as large as the canvas."""


def animation(file: BinaryIO) -> Animation | None:
    """Return the animation in a file, None if there is none. Reads at most _MAX_FRAMES chunk headers."""
    canvas = _canvas(file)
    if canvas is None:
        return None
    frames, duration_ms = 0, 0
    for start, length in _frames(file):
        frames, duration_ms = frames + 1, duration_ms + int.from_bytes(start[12:15], "little")
        file.seek(length, 1)
    alpha = bool(canvas[0] & _ALPHA)
    return Animation(_size(canvas[4:7]), _size(canvas[7:10]), frames, duration_ms, alpha) if frames else None


def first_still(file: BinaryIO) -> Still | None:
    """Return the first frame of an animation; None without one, or if it exceeds _MAX_FRAME_BYTES."""
    canvas = _canvas(file)
    start, length = next(_frames(file), (b"", 0)) if canvas is not None else (b"", 0)
    if canvas is None or not start or length > _MAX_FRAME_BYTES:
        return None
    width, height = _size(canvas[4:7]), _size(canvas[7:10])
    # The file has half of each offset.
    x, y = 2 * int.from_bytes(start[0:3], "little"), 2 * int.from_bytes(start[3:6], "little")
    fills = (_size(start[6:9]), _size(start[9:12])) == (width, height)
    return Still(_still(start[6:12], file.read(length)), width, height, x, y, fills)


def _still(size: bytes, data: bytes) -> bytes:
    """Return a WebP file of a frame's chunks; a frame with a separate alpha channel needs a VP8X header."""
    chunks = [(name, body) for name, body in _parts(data) if name in _PICTURE]
    if any(name == b"ALPH" for name, _ in chunks):
        chunks.insert(0, (b"VP8X", bytes([_ALPHA, 0, 0, 0]) + size))
    body = b"".join(name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1) for name, body in chunks)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _parts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + (length & 1)


def _canvas(file: BinaryIO) -> bytes | None:
    """Return the header of an animation and read past it; None if the file is none."""
    head = file.read(_HEADER)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    name, length = _chunk(file)
    canvas = file.read(min(length, _FRAME_HEADER)).ljust(_FRAME_HEADER, b"\0")
    file.seek(max(0, length - _FRAME_HEADER) + (length & 1), 1)
    return canvas if name == b"VP8X" and canvas[0] & _ANIMATED else None


def _frames(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each frame's header and the length of its data, which the caller has to read or skip."""
    for _ in range(_MAX_FRAMES):
        name, length = _chunk(file)
        while name and name != b"ANMF":
            file.seek(length + (length & 1), 1)
            name, length = _chunk(file)
        if not name:
            return
        start = file.read(_FRAME_HEADER).ljust(_FRAME_HEADER, b"\0")
        yield start, max(0, length - _FRAME_HEADER) + (length & 1)


def _chunk(file: BinaryIO) -> tuple[bytes, int]:
    """Return the next chunk's name and length; b"" at the end."""
    header = file.read(8)
    return header[:4], int.from_bytes(header[4:8], "little")


def _size(field: bytes) -> int:
    return int.from_bytes(field, "little") + 1
