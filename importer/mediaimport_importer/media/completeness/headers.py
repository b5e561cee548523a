"""Headers of videos that nothing follows: initialisation segments of fragmented MP4, WebM and Matroska."""

from __future__ import annotations

from mediaimport_importer.media.completeness.reading import Bytes, big, element_header

_BOX_HEADER = 8
_SEGMENT, _TRACKS, _CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675


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
        header = element_header(data, at)
        if header is None or header.kind == _CLUSTER:
            return False
        tracks = tracks or header.kind == _TRACKS
        at = header.content_at + (0 if header.kind == _SEGMENT else header.size)
    return tracks
