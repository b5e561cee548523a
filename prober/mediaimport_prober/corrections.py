"""Corrections of ffprobe's description where it misleads: mirrored pictures, and AVIF sequences. Pure."""

from __future__ import annotations

import math
import re
from typing import Any

Document = dict[str, Any]

MATRIX = "displaymatrix"
"""The field of ffprobe's side data that holds the whole matrix."""
_ROW = re.compile(r"^[0-9a-f]{8}:\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s*$", re.MULTILINE)
_ROWS = 3
_SEQUENCE = "avis"


def corrected(document: Document) -> Document:
    """Return ffprobe's document with the rotation of mirrored pictures, and a sequence's moving stream in front."""
    streams = [_turned(each) for each in document.get("streams", [])]
    brand = document.get("format", {}).get("tags", {}).get("major_brand")
    if brand == _SEQUENCE:
        streams.sort(key=_frames, reverse=True)
    return document | {"streams": streams}


def _frames(stream: Document) -> int:
    """Return the number of frames of a stream; its still comes first in the file and has one."""
    counted = str(stream.get("nb_frames", ""))
    return int(counted) if counted.isdecimal() and stream.get("codec_type") == "video" else 0


def _turned(stream: Document) -> Document:
    entries = stream.get("side_data_list")
    return stream | {"side_data_list": [_without_matrix(each) for each in entries]} if entries else stream


def _without_matrix(entry: Document) -> Document:
    """Return side data without its matrix; ffprobe calls a mirrored picture turned by 180 degrees."""
    rows = [[int(number) for number in row] for row in _ROW.findall(str(entry.get(MATRIX, "")))]
    rest = {name: value for name, value in entry.items() if name != MATRIX}
    if len(rows) != _ROWS:
        return rest
    (a, b, _), (c, d, _), _ = rows
    return rest | {"rotation": _mirrored_rotation(a, b, d)} if a * d - b * c < 0 else rest


def _mirrored_rotation(a: int, b: int, d: int) -> int:
    """Return the rotation of a mirrored picture counterclockwise: what is left once the mirroring is undone.

    A picture that is upside down and not turned is mirrored alone, too.
    """
    if b == 0 and d < 0 < a:
        return 0
    return round(-math.degrees(math.atan2(-b, -a)))
