"""Size of a picture from its header alone, for pictures that ffprobe does not describe: nothing is decoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

Size = tuple[int, int]

_HEAD_BYTES = 64 * 1024
_MAX_SEGMENTS = 4096
"""Of a JPEG before its frame header: an ICC profile or an Extended XMP has some hundred."""


def header_size(file: BinaryIO, extension: str) -> Size | None:
    """Return width and height in pixels as the header has them; None if it does not, or if that format is unknown."""
    seek, read = {"jpg": _jpeg, "tiff": _tiff}.get(extension), _BY_EXTENSION.get(extension)
    file.seek(0)
    size = seek(file) if seek else read(file.read(_HEAD_BYTES)) if read else None
    return size if size is not None and min(size) > 0 else None


def _big(data: bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _little(data: bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "little")


_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def _jpeg(file: BinaryIO) -> Size | None:
    """Follow the segments to the frame header: ITU-T T.81, annex B."""
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        marker = file.read(2)
        while marker == b"\xff\xff":
            marker = marker[1:] + file.read(1)
        if len(marker) < 2 or marker[0] != 0xFF:  # noqa: PLR2004 - a marker
            return None
        if marker[1] in _NO_LENGTH:
            continue
        segment = file.read(7)
        if marker[1] in _FRAMES:
            return _big(segment, 5, 2), _big(segment, 3, 2)
        file.seek(max(_big(segment, 0, 2), 2) - len(segment), 1)
    return None


def _png(head: bytes) -> Size:
    return _big(head, 16), _big(head, 20)


def _gif(head: bytes) -> Size:
    return _little(head, 6, 2), _little(head, 8, 2)


def _webp(head: bytes) -> Size | None:
    chunk = head[12:16]
    if chunk == b"VP8X":
        return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1
    if chunk == b"VP8L":
        bits = _little(head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return (_little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF) if chunk == b"VP8 " else None


def _bitmap(head: bytes) -> Size:
    if _little(head, 14) == 12:  # noqa: PLR2004 - the header of OS/2, with sizes of two bytes
        return _little(head, 18, 2), _little(head, 20, 2)
    height = int.from_bytes(head[22:26], "little", signed=True)
    return _little(head, 18), abs(height)


def _photoshop(head: bytes) -> Size:
    return _big(head, 18), _big(head, 14)


_MAX_TAGS = 4096


def _tiff(file: BinaryIO) -> Size | None:
    """Return the size in the first directory, which may stand at the end: TIFF 6.0, section 2."""
    file.seek(0)
    head = file.read(8)
    number = _little if head.startswith(b"II") else _big
    if number(head, 2, 2) != 42:  # noqa: PLR2004 - not BigTIFF
        return None
    file.seek(number(head, 4, 4))
    entries = min(number(file.read(2), 0, 2), _MAX_TAGS)
    directory = file.read(12 * entries)
    tags = {number(directory, entry, 2): entry for entry in range(0, len(directory) - 11, 12)}
    sides = [_tiff_value(directory, tags[tag], number) for tag in (256, 257) if tag in tags]
    return (sides[0], sides[1]) if len(sides) == 2 else None  # noqa: PLR2004 - width and height


def _tiff_value(directory: bytes, entry: int, number: Callable[[bytes, int, int], int]) -> int:
    is_short = number(directory, entry + 2, 2) == 3  # noqa: PLR2004 - the type of two bytes
    return number(directory, entry + 8, 2 if is_short else 4)


def _heif(head: bytes) -> Size | None:
    """Return the largest image spatial extent: tiles of a grid and thumbnails have theirs, too."""
    sizes = [(_big(head, at.end() + 4), _big(head, at.end() + 8)) for at in re.finditer(b"ispe", head)]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _jpeg_2000(head: bytes) -> Size | None:
    at = head.find(b"ihdr")
    return (_big(head, at + 8), _big(head, at + 4)) if at >= 0 else None


_SVG_ROOT = re.compile(r"<(?:\w{1,64}:)?svg\b([^>]{0,8192})>", re.IGNORECASE)
_SVG_SIDE = r"""\b%s\s*=\s*["']\s*([0-9]{1,7}(?:\.[0-9]{0,9})?)(?:px)?\s*["']"""
_SVG_BOX = re.compile(
    r"""\bviewBox\s*=\s*["'][\s,]*(?:-?[0-9.]{1,16}[\s,]+){2}([0-9.]{1,16})[\s,]+([0-9.]{1,16})\s*["']"""
)


def _svg(head: bytes) -> Size | None:
    root = _SVG_ROOT.search(head.decode("utf-8", "ignore"))
    if root is None:
        return None
    sides = [re.search(_SVG_SIDE % name, root[1]) for name in ("width", "height")]
    box = _SVG_BOX.search(root[1])
    texts = (sides[0][1], sides[1][1]) if sides[0] and sides[1] else box.groups() if box else None
    try:
        return (round(float(texts[0])), round(float(texts[1]))) if texts else None
    except ValueError:
        return None


_BY_EXTENSION: dict[str, Callable[[bytes], Size | None]] = {
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "bmp": _bitmap,
    "psd": _photoshop,
    **dict.fromkeys(("heic", "avif"), _heif),
    "jp2": _jpeg_2000,
    "svg": _svg,
}
