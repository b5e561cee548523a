"""ffprobe's JSON reduced to what is known: its own fields, plain values, bounded lengths. Pure.

It comes from a process that a hostile file may have taken over, and it goes into the sidecar.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mediaimport_prober.protocol import (
    FORMAT_FIELDS,
    FORMAT_TAGS,
    FRAME_FIELDS,
    MAX_STREAMS,
    SIDE_DATA_FIELDS,
    STREAM_DISPOSITIONS,
    STREAM_FIELDS,
    STREAM_TAGS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Document = dict[str, Any]

MAX_TEXT = 256
MAX_SIDE_DATA = 8
_MAX_NUMBER = 2**53
"""JSON readers hold no larger integer exactly."""


def known_document(value: object) -> Document:
    """Return the known part of ffprobe's JSON."""
    document = _object(value)
    frames = [_frame(each) for each in _objects(document.get("frames"), most=1)]
    return {
        "streams": [_stream(each) for each in _objects(document.get("streams"), most=MAX_STREAMS)],
        "format": _format(_object(document.get("format"))),
    } | ({"frames": frames} if frames else {})


def _format(value: Document) -> Document:
    return _fields(value, FORMAT_FIELDS) | _nested("tags", _fields(_object(value.get("tags")), FORMAT_TAGS))


def _stream(value: Document) -> Document:
    return (
        _fields(value, STREAM_FIELDS)
        | _nested("disposition", _fields(_object(value.get("disposition")), STREAM_DISPOSITIONS))
        | _nested("tags", _fields(_object(value.get("tags")), STREAM_TAGS))
        | _side_data(value)
    )


def _frame(value: Document) -> Document:
    return _fields(value, FRAME_FIELDS) | _side_data(value)


def _side_data(value: Document) -> Document:
    entries = [_fields(each, SIDE_DATA_FIELDS) for each in _objects(value.get("side_data_list"), most=MAX_SIDE_DATA)]
    return {"side_data_list": entries} if entries else {}


def _nested(name: str, fields: Document) -> Document:
    return {name: fields} if fields else {}


def _fields(value: Document, names: Iterable[str]) -> Document:
    found = {name: _plain(value[name]) for name in names if name in value}
    return {name: each for name, each in found.items() if each is not None}


def _plain(value: object) -> str | int | float | None:
    """Return a printable text or a number of bounded size, None for anything else."""
    if isinstance(value, str):
        return "".join(char for char in value[:MAX_TEXT] if char.isprintable())
    if isinstance(value, int | float) and abs(value) < _MAX_NUMBER and math.isfinite(value):
        return value
    return None


def _objects(value: object, *, most: int) -> list[Document]:
    return [each for each in value if isinstance(each, dict)][:most] if isinstance(value, list) else []


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}
