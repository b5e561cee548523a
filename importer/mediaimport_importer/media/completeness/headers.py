"""Headers of videos that nothing follows: initialisation segments of fragmented MP4, WebM and Matroska."""

from __future__ import annotations

from mediaimport_importer.media.completeness.reading import Bytes, big

_BOX_HEADER = 8
_SEGMENT, _TRACKS, _CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675
_MAX_ID_BYTES, _MAX_SIZE_BYTES = 4, 8


def boxes_without_media(data: Bytes) -> bool:
    """Tell whether an MP4 announces fragments (`mvex` in `moov`) and has none: ISO/IEC 14496-12, section 8.8."""
    at, announced = 0, False
    while at + _BOX_HEADER <= len(data):
        size, kind = big(data, at), data[at + 4 : at + 8]
        if size == 1:
            size = big(data, at + 8, 8)
        if size < _BOX_HEADER or kind in {b"moof", b"mdat"}:
            return False
        if kind == b"moov":
            announced = data.find(b"mvex", at, at + size) >= 0
        at += size
    return announced and at == len(data)


def elements_without_media(data: Bytes) -> bool:
    """Tell whether a segment has tracks and no cluster: https://www.rfc-editor.org/rfc/rfc9559#section-4.5."""
    at, tracks = 0, False
    while at < len(data):
        id_length, size_length = _length(data, at), _length(data, at + _length(data, at))
        if id_length > _MAX_ID_BYTES or size_length > _MAX_SIZE_BYTES:
            return False
        kind, at = big(data, at, id_length), at + id_length
        size, at = big(data, at, size_length) & ((1 << 7 * size_length) - 1), at + size_length
        if kind == _CLUSTER:
            return False
        tracks = tracks or kind == _TRACKS
        at += 0 if kind == _SEGMENT else size
    return tracks


def _length(data: Bytes, at: int) -> int:
    """Return the length of the number that starts there: 1, and 1 for each zero bit in front."""
    return 9 - data[at].bit_length()
