"""Ends of pictures: GIF's trailer, PNG's last chunk, JPEG's end marker."""

from __future__ import annotations

from mediaimport_importer.media.completeness.reading import Bytes, Completeness, big, whole_if


def gif(data: Bytes) -> Completeness:
    """Follow the blocks to the trailer: https://www.w3.org/Graphics/GIF/spec-gif89a.txt."""
    at = 13 + _colours(data[10])
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:  # noqa: PLR2004 - the trailer
            return Completeness.WHOLE
        if kind == 0x21:  # noqa: PLR2004 - an extension
            at = _sub_blocks_end(data, at + 2)
        elif kind == 0x2C and at + 10 <= len(data):  # noqa: PLR2004 - an image
            at = _sub_blocks_end(data, at + 11 + _colours(data[at + 9]))
        else:
            return Completeness.CUT
    return Completeness.CUT


def _colours(flags: int) -> int:
    """Return the bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sub_blocks_end(data: Bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def png(data: Bytes) -> Completeness:
    """Follow the chunks to IEND: https://www.w3.org/TR/png-3/#5Chunk-layout."""
    at = 8
    while at + 12 <= len(data):
        size, kind = big(data, at), data[at + 4 : at + 8]
        at += 12 + size
        if kind == b"IEND":
            return whole_if(at <= len(data))
    return Completeness.CUT


def jpeg(data: Bytes) -> Completeness:
    """Find the end marker behind the last scan: in compressed data neither marker can stand."""
    scan = _first_scan(data)
    return whole_if(data.rfind(b"\xff\xd9", scan) > data.rfind(b"\xff\xda"))


_MARKER, _SCAN = 0xFF, 0xDA


def _first_scan(data: Bytes) -> int:
    """Return where the first scan starts. The segments before it may hold a whole JPEG of their own, a preview."""
    at = 2
    while at + 4 <= len(data) and data[at] == _MARKER and data[at + 1] != _SCAN:
        at += 2 + big(data, at + 2, 2) if data[at + 1] != _MARKER else 1
    return at
