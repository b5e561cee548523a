"""Ends of containers of elements that say their sizes: boxes, RIFF chunks, EBML elements, ASF objects, FLV tags."""

from __future__ import annotations

import struct

from mediaimport_importer.media.completeness.reading import (
    Bytes,
    Completeness,
    big,
    element_header,
    little,
    unknown_if,
    whole_if,
)

# --- ISO base media (MP4, QuickTime, HEIF, AVIF): boxes of size and type, https://www.iso.org/standard/83102.html ---

_BOX_HEADER = 8


def boxes(data: Bytes) -> Completeness:
    """Follow the top-level boxes. A last box of size 0 reaches to the end of the file, wherever that is."""
    at, kinds = 0, set()
    while at + _BOX_HEADER <= len(data):
        size, kind = big(data, at), bytes(data[at + 4 : at + 8])
        if size == 1:
            size = big(data, at + 8, 8)
        if size < _BOX_HEADER:
            return Completeness.UNKNOWN
        kinds.add(kind)
        at += size
    if at != len(data):
        return Completeness.CUT
    # Whole boxes without the index that every file needs: the rest of the boxes is missing.
    return _by_kinds(kinds)


def _by_kinds(kinds: set[bytes]) -> Completeness:
    """Return the answer of whole boxes: those that every file needs may be among the missing ones."""
    has_media = bool(kinds & {b"mdat", b"moof"})
    if b"moov" not in kinds:
        # A picture may have its data within `meta`.
        return Completeness.CUT if b"meta" not in kinds else Completeness.WHOLE if has_media else Completeness.UNKNOWN
    if b"moof" in kinds and b"mfra" not in kinds:
        # Fragments without the index at their end: a cut between two of them does not show.
        return Completeness.UNKNOWN
    return whole_if(has_media)


# --- RIFF (WAV, AVI, WebP): https://developers.google.com/speed/webp/docs/riff_container#riff_file_format ---
# --- RF64 and BW64, its kin above 4 GB: https://tech.ebu.ch/docs/tech/tech3306.pdf ---

_STREAMED = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})
_STREAMED_BY_SOX = range(0x7FFFF000, 0x7FFFF100)
"""Sizes that SoX writes where it cannot seek: https://sourceforge.net/p/sox/code/ci/master/tree/src/wav.c."""


def riff(data: Bytes) -> Completeness:
    """Follow the RIFF chunks; an AVI above 1 GB has several. A writer that could not seek leaves the size open."""
    if data[:4] in {b"RF64", b"BW64"}:
        return _riff_64(data)
    at = end = 0
    while at + 12 <= len(data) and data[at : at + 4] == b"RIFF":
        size = little(data, at + 4)
        if _is_open(size):
            return _open_wave(data)
        end = at + 8 + size
        # The byte that pads an odd size may be left out at the end.
        at = end + (size & 1)
    # What stands behind the last chunk is somebody else's.
    return whole_if(0 < end <= len(data))


def _is_open(size: int) -> bool:
    return size in _STREAMED or size in _STREAMED_BY_SOX


def _riff_64(data: Bytes) -> Completeness:
    """Compare the size in the `ds64` chunk, which replaces that of the header where it is 0xFFFFFFFF."""
    size = little(data, 4)
    if size in _STREAMED:
        if data[12:16] != b"ds64":
            return Completeness.CUT
        size = little(data, 20, 8)
    return _open_wave(data) if size in _STREAMED else whole_if(8 + size <= len(data))


def _open_wave(data: Bytes) -> Completeness:
    """Follow the chunks of a file of unknown size to its samples, the last of which must be whole."""
    at, block = 12, 0
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], little(data, at + 4)
        if kind == b"fmt ":
            block = little(data, at + 20, 2)
        if kind == b"data":
            rest = len(data) - at - 8
            return unknown_if(rest % max(block, 1) == 0 if _is_open(size) else size <= rest)
        at += 8 + size + (size & 1)
    return unknown_if(data[8:12] != b"WAVE")


# --- EBML (WebM, Matroska): https://www.rfc-editor.org/rfc/rfc8794, https://www.rfc-editor.org/rfc/rfc9559 ---

_SEGMENT, _CLUSTER, _CUES = 0x18538067, 0x1F43B675, 0x1C53BB6B


def ebml(data: Bytes) -> Completeness:
    """Follow the elements. A live stream leaves the sizes of its segment and clusters open: then their children."""
    at, is_open, last = 0, False, 0
    while at < len(data):
        header = element_header(data, at)
        if header is None:
            return Completeness.CUT
        at = header.content_at
        if header.is_open:
            if header.kind not in {_SEGMENT, _CLUSTER}:
                return Completeness.UNKNOWN
            is_open = True
        else:
            at += header.size
        last = header.kind if header.kind in {_CLUSTER, _CUES} else last
    if at != len(data):
        return Completeness.CUT
    # Behind the last cluster the index is written, when the end is known.
    return Completeness.UNKNOWN if is_open and last != _CUES else Completeness.WHOLE


# --- ASF (WMV, WMA): objects of GUID and size, Advanced Systems Format Specification 1.20, sections 2 and 3.2 ---

_HEADER_OBJECT = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_DATA_OBJECT = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_INDEX_OBJECT = bytes.fromhex("90080033b1e5cf1189f400a0c90349cb")
_DATA_HEADER = 50
_END_CHUNK = 12
"""FFmpeg ends a broadcast with an empty chunk: https://ffmpeg.org/doxygen/trunk/asfenc_8c_source.html."""
_BROADCAST = 1


def asf(data: Bytes) -> Completeness:
    """Compare the size in the File Properties; a broadcast has none, but may have an index behind its packets."""
    properties = data.find(_FILE_PROPERTIES, 0, min(little(data, 16, 8), len(data)))
    if data[:16] != _HEADER_OBJECT or properties < 0 or properties + 100 > len(data):
        return Completeness.CUT
    size, flags, packet = (little(data, properties + at, length) for at, length in ((40, 8), (88, 4), (92, 4)))
    if size and not flags & _BROADCAST:
        return whole_if(size <= len(data))
    at = little(data, 16, 8)
    if data[at : at + 16] != _DATA_OBJECT:
        return Completeness.CUT
    end = little(data, at + 16, 8)
    if end > _DATA_HEADER:
        return unknown_if(at + end <= len(data))
    index = data.rfind(_INDEX_OBJECT, at)
    if index >= 0:
        return whole_if(len(data) - index - little(data, index + 16, 8) in {0, _END_CHUNK})
    return unknown_if((len(data) - at - _DATA_HEADER) % max(packet, 1) == 0)


# --- the rest ---


def flv(data: Bytes) -> Completeness:
    """Follow the tags, each with its size behind it: Adobe Flash Video File Format 10.1, annex E."""
    promised = _flv_file_size(data)
    if promised == len(data):
        return Completeness.WHOLE
    at = big(data, 5) + 4
    while at + 11 <= len(data):
        size = big(data, at + 1, 3)
        if big(data, at + 11 + size) != 11 + size:
            return Completeness.CUT
        at += 15 + size
    # A cut between two tags shows only where onMetaData has the size.
    return unknown_if(at == len(data) and promised < len(data))


def _flv_file_size(data: Bytes) -> int:
    """Return the `filesize` of onMetaData in the first tag, 0 without one."""
    name = b"\0\x08filesize\0"
    at = data.find(name, 0, 24 + big(data, 14, 3))
    value = data[at + len(name) : at + len(name) + 8]
    if at < 0 or len(value) < 8:  # noqa: PLR2004 - a double
        return 0
    (size,) = struct.unpack(">d", value)
    return int(size) if 0 < size < 1 << 53 else 0


def glb(data: Bytes) -> Completeness:
    """Compare the length in the header: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-header."""
    return whole_if(little(data, 8) == len(data))
