"""AVIF of several tiles, as encoders write large pictures: libvips reads such grids and writes none."""

from __future__ import annotations

import struct


def avif_grid(tile: bytes, *, columns: int, rows: int) -> bytes:
    """Return a grid that repeats one AVIF."""
    return grid_of([tile] * (columns * rows), columns=columns, rows=rows)


def grid_of(tiles: list[bytes], *, columns: int, rows: int) -> bytes:
    """Return a grid of AVIFs of one size, row by row. ISO/IEC 23008-12, 6.6.2.3."""
    width, height = struct.unpack(">II", _property(tiles[0], b"ispe")[12:20])
    data = [_payload(tile) for tile in tiles]
    size = (width * columns, height * rows)
    grid = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)
    items, count = [grid, *data], len(tiles)
    properties = _box(
        b"ipco",
        _property(tiles[0], b"av1C"), _property(tiles[0], b"ispe"), _property(tiles[0], b"pixi"),
        _full(b"ispe", struct.pack(">II", *size)),
    )  # fmt: skip
    uses = [(1, [4, 3])] + [(number + 2, [0x81, 2, 3]) for number in range(count)]
    associations = b"".join(struct.pack(">HB", item, len(of)) + bytes(of) for item, of in uses)
    meta = [
        _full(b"hdlr", bytes(4) + b"pict" + bytes(13)),
        _full(b"pitm", struct.pack(">H", 1)),
        b"",
        _full(
            b"iinf", struct.pack(">H", count + 1), _entry(1, b"grid"), *(_entry(n + 2, b"av01") for n in range(count))
        ),
        _full(b"iref", _box(b"dimg", struct.pack(f">HH{count}H", 1, count, *range(2, count + 2)))),
        _box(b"iprp", properties, _full(b"ipma", struct.pack(">I", len(uses)), associations)),
    ]
    head = _box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    meta[2] = _locations(items, 0)
    start = len(head) + len(_full(b"meta", *meta)) + 8
    meta[2] = _locations(items, start)
    return head + _full(b"meta", *meta) + _box(b"mdat", *items)


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


def _property(avif: bytes, kind: bytes) -> bytes:
    """Return a whole box of a picture with one item."""
    at = avif.index(kind) - 4
    return avif[at : at + int.from_bytes(avif[at : at + 4], "big")]


def _payload(avif: bytes) -> bytes:
    at = avif.index(b"mdat") - 4
    return avif[at + 8 : at + int.from_bytes(avif[at : at + 4], "big")]
