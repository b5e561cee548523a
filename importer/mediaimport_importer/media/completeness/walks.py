"""The walk through each format. An HTTP/1.0 body, or one that ends with its connection, has no end of its own.

Cut short, it reads as complete. Most media formats say inside where they end. Each walk is exact: it follows boxes,
chunks, pages, packets or frames to the last one and compares with the file's size. None of them goes by a percentage or
by a decoder's patience.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

from mediaimport_importer.media.completeness.elements import asf, boxes, ebml, flv, glb, riff
from mediaimport_importer.media.completeness.frames import adts, flac, mpeg_audio
from mediaimport_importer.media.completeness.headers import boxes_without_media, elements_without_media
from mediaimport_importer.media.completeness.packets import ogg, program_stream, transport_stream
from mediaimport_importer.media.completeness.pictures import gif, jpeg, png
from mediaimport_importer.media.completeness.reading import Completeness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WALKS: dict[str, Callable[[mmap.mmap], Completeness]] = {
    **dict.fromkeys(("mp4", "mov", "m4a", "3gp", "avif", "heic", "heif"), boxes),
    **dict.fromkeys(("wav", "avi", "webp"), riff),
    **dict.fromkeys(("ogg", "ogv", "opus", "oga"), ogg),
    **dict.fromkeys(("webm", "mkv", "mka"), ebml),
    **dict.fromkeys(("wmv", "wma"), asf),
    "ts": transport_stream,
    "mpg": program_stream,
    "flac": flac,
    "mp3": mpeg_audio,
    "aac": adts,
    "gif": gif,
    "png": png,
    "jpg": jpeg,
    "flv": flv,
    "glb": glb,
}
"""The walk of each extension of a stored original."""


def completeness_of(path: Path, extension: str) -> Completeness:
    """Return whether the file at `path` ends where its format says; `extension` is that of its Format."""
    walk = WALKS.get(extension)
    if walk is None or path.stat().st_size == 0:
        return Completeness.UNKNOWN
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return walk(data)
        except IndexError:
            # A header that is longer than the file.
            return Completeness.CUT


_HEADERS: dict[str, Callable[[mmap.mmap], bool]] = {
    **dict.fromkeys(("mp4", "mov", "m4a", "3gp"), boxes_without_media),
    **dict.fromkeys(("webm", "mkv"), elements_without_media),
}
_MAX_HEADER_BYTES = 1024 * 1024


def is_header_alone(path: Path, extension: str) -> bool:
    """Tell whether the file is the header of a video or of sound, without a single picture or sample."""
    test = _HEADERS.get(extension)
    if test is None or not 0 < path.stat().st_size <= _MAX_HEADER_BYTES:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return test(data)
        except IndexError:
            # A header that is longer than the file.
            return False
