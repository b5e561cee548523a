"""AVIF and HEIC of several tiles, as cameras and encoders write them: libvips reads such grids and writes none."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """One coded picture: its codec, the box of its decoder's configuration, its size and its data."""

    codec: bytes
    configuration: bytes
    size: tuple[int, int]
    data: bytes

    @classmethod
    def of_avif(cls, avif: bytes) -> Tile:
        """Return the picture of an AVIF that has one, and no metadata."""
        width, height = struct.unpack(">II", _found(avif, b"ispe")[12:20])
        return cls(b"av01", _found(avif, b"av1C"), (width, height), _found(avif, b"mdat")[8:])

    @classmethod
    def of_hevc(cls, mp4: bytes, size: tuple[int, int]) -> Tile:
        """Return the picture of an MP4 of one frame."""
        return cls(b"hvc1", _found(mp4, b"hvcC"), size, _found(mp4, b"mdat")[8:])


def grid_of(tiles: list[Tile], *, columns: int, rows: int, quarters: int = 0) -> bytes:
    """Return a grid of tiles of one size, row by row, turned by so many quarters counterclockwise.

    ISO/IEC 23008-12, 6.6.2.3.
    """
    tile, count = tiles[0], len(tiles)
    size = (tile.size[0] * columns, tile.size[1] * rows)
    grid = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)
    items = [grid, *(each.data for each in tiles)]
    properties = _box(
        b"ipco",
        tile.configuration, _full(b"ispe", struct.pack(">II", *tile.size)), _full(b"pixi", b"\x03\x08\x08\x08"),
        _full(b"ispe", struct.pack(">II", *size)), _box(b"irot", bytes([quarters])),
    )  # fmt: skip
    uses = [(1, [4, 3, 0x85])] + [(number + 2, [0x81, 2, 3]) for number in range(count)]
    associations = b"".join(struct.pack(">HB", item, len(of)) + bytes(of) for item, of in uses)
    entries = [_entry(1, b"grid"), *(_entry(number + 2, tile.codec) for number in range(count))]
    references = struct.pack(f">HH{count}H", 1, count, *range(2, count + 2))
    before = [_full(b"hdlr", bytes(4) + b"pict" + bytes(13)), _full(b"pitm", struct.pack(">H", 1))]
    behind = [
        _full(b"iinf", struct.pack(">H", count + 1), *entries),
        _full(b"iref", _box(b"dimg", references)),
        _box(b"iprp", properties, _full(b"ipma", struct.pack(">I", len(uses)), associations)),
    ]
    brands = b"avifmif1miaf" if tile.codec == b"av01" else b"heicmif1"
    head = _box(b"ftyp", brands[:4], bytes(4), brands)
    start = len(head) + len(_full(b"meta", *before, _locations(items, 0), *behind)) + 8
    return head + _full(b"meta", *before, _locations(items, start), *behind) + _box(b"mdat", *items)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *parts)


def _entry(item: int, kind: bytes) -> bytes:
    return _full(b"infe", struct.pack(">HH4s", item, 0, kind) + b"\0", version=2)


def _locations(items: list[bytes], start: int) -> bytes:
    extents = b""
    for number, item in enumerate(items):
        extents += struct.pack(">HHHII", number + 1, 0, 1, start, len(item))
        start += len(item)
    return _full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), extents)


def _found(file: bytes, kind: bytes) -> bytes:
    """Return the first box of a kind, whole."""
    at = file.index(kind) - 4
    return file[at : at + int.from_bytes(file[at : at + 4], "big")]
