"""Completeness of a file by its own structure: for bodies whose transport cannot vouch that they came whole.

An HTTP/1.0 body, or one that ends with its connection, has no end of its own: cut short, it reads as complete. Most
media formats say inside where they end. Each walk here is exact: it follows boxes, chunks, pages or frames to the last
one and compares with the file's size. None of them goes by a percentage or by a decoder's patience.
"""

from __future__ import annotations

import mmap
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Bytes = mmap.mmap | bytes


class Completeness(Enum):
    """Completeness of a file, as its format tells it."""

    WHOLE = auto()
    CUT = auto()
    UNKNOWN = auto()
    """The format does not say where it ends, or this file does not."""


def completeness_of(path: Path, extension: str) -> Completeness:
    """Return whether the file at `path` ends where its format says; `extension` is that of its Format."""
    walk = _WALKS.get(extension)
    if walk is None or path.stat().st_size == 0:
        return Completeness.UNKNOWN
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return walk(data)
        except IndexError:
            # A header that is longer than the file.
            return Completeness.CUT


def _whole_if(condition: bool) -> Completeness:  # noqa: FBT001 - the one thing that it is about
    return Completeness.WHOLE if condition else Completeness.CUT


def _big(data: Bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _little(data: Bytes, at: int, length: int = 4) -> int:
    return int.from_bytes(data[at : at + length], "little")


# --- ISO base media (MP4, QuickTime, HEIF, AVIF): boxes of size and type, https://www.iso.org/standard/83102.html ---

_BOX_HEADER, _LARGE_HEADER = 8, 16


def _boxes(data: Bytes) -> Completeness:
    """Follow the top-level boxes. A last box of size 0 reaches to the end of the file, wherever that is."""
    at, kinds = 0, set()
    while at + _BOX_HEADER <= len(data):
        size, kind = _big(data, at), bytes(data[at + 4 : at + 8])
        if size == 1:
            size = _big(data, at + 8, 8)
        if size == 0:
            return Completeness.UNKNOWN
        if size < _BOX_HEADER:
            return Completeness.UNKNOWN
        kinds.add(kind)
        at += size
    if at != len(data):
        return Completeness.CUT
    # Whole boxes without the index that every file needs: the rest of the boxes is missing.
    return _whole_if(bool(kinds & {b"moov", b"meta"}))


# --- RIFF (WAV, AVI, WebP): https://developers.google.com/speed/webp/docs/riff_container#riff_file_format ---

_STREAMED = {0, 0xFFFFFFFF}


def _riff(data: Bytes) -> Completeness:
    """Follow the RIFF chunks; an AVI above 1 GB has several. A writer that could not seek leaves the size open."""
    at = end = 0
    while at + 12 <= len(data) and data[at : at + 4] == b"RIFF":
        size = _little(data, at + 4)
        if size in _STREAMED:
            return Completeness.UNKNOWN
        end = at + 8 + size
        # The byte that pads an odd size may be left out at the end.
        at = end + (size & 1)
    # What stands behind the last chunk is somebody else's.
    return _whole_if(0 < end <= len(data))


# --- Ogg: pages with an end-of-stream flag, https://www.rfc-editor.org/rfc/rfc3533 ---

_PAGE_HEADER = 27
_END_OF_STREAM = 0x04


def _ogg(data: Bytes) -> Completeness:
    """Follow the pages; each logical stream ends with a page that says so."""
    at, open_streams, ended = 0, set(), set()
    while at < len(data):
        if data[at : at + 4] != b"OggS" or at + _PAGE_HEADER > len(data):
            return Completeness.CUT
        segments = data[at + 26]
        sizes = data[at + _PAGE_HEADER : at + _PAGE_HEADER + segments]
        serial, flags = bytes(data[at + 14 : at + 18]), data[at + 5]
        open_streams.add(serial)
        if flags & _END_OF_STREAM:
            ended.add(serial)
        if len(sizes) < segments:
            return Completeness.CUT
        at += _PAGE_HEADER + segments + sum(sizes)
    return _whole_if(at == len(data) and open_streams == ended)


# --- EBML (WebM, Matroska): https://www.rfc-editor.org/rfc/rfc8794 ---


def _ebml(data: Bytes) -> Completeness:
    """Compare the segment's size; a live stream leaves it unknown."""
    at = 0
    while at < len(data):
        id_length = _leading_zeros(data[at]) + 1
        size_at = at + id_length
        if size_at >= len(data):
            return Completeness.CUT
        size_length = _leading_zeros(data[size_at]) + 1
        size = _big(data, size_at, size_length) & ((1 << (7 * size_length)) - 1)
        if size == (1 << (7 * size_length)) - 1:
            return Completeness.UNKNOWN
        at = size_at + size_length + size
    return _whole_if(at == len(data))


def _leading_zeros(byte: int) -> int:
    return 8 - byte.bit_length()


# --- FLAC: frames that carry their number and a CRC, https://www.rfc-editor.org/rfc/rfc9639 ---

_STREAMINFO_AT = 8
_MAX_CHECKED_BYTES = 4 << 20
"""Of checksums in all: a frame has some ten thousand bytes, and a hostile file a sync code at each."""


def _flac(data: Bytes) -> Completeness:
    """Find the last frame: it must be whole by its CRC, and reach the number of samples that STREAMINFO promises."""
    start = _id3_end(data)
    info = start + _STREAMINFO_AT
    if data[start : start + 4] != b"fLaC" or info + 34 > len(data):
        return Completeness.CUT
    samples = _big(data, info + 13, 5) & ((1 << 36) - 1)
    block = _big(data, info + 2, 2)
    if samples == 0 or _big(data, info, 2) != block:
        return Completeness.UNKNOWN
    end = len(data) - (128 if data[-128:-125] == b"TAG" else 0)
    at, checked = end, 0
    while (at := data.rfind(b"\xff\xf8", info, at)) >= 0 and checked < _MAX_CHECKED_BYTES:
        number = _frame_number(data, at)
        checked += end - at
        if number is not None and _crc16(data[at : end - 2]) == _big(data, end - 2, 2):
            return _whole_if((number + 1) * block >= samples)
    return Completeness.CUT if checked < _MAX_CHECKED_BYTES else Completeness.UNKNOWN


def _frame_number(data: Bytes, at: int) -> int | None:
    """Return the frame's number, None where those bytes are no frame header."""
    coded = data[at + 4 : at + 11]
    length = max(8 - (coded[0] ^ 0xFF).bit_length(), 1) if coded else 0
    if not 0 < length <= len(coded) or (length > 1 and any(each >> 6 != 2 for each in coded[1:length])):  # noqa: PLR2004 - as UTF-8 goes on
        return None
    number = coded[0] & (0x7F if length == 1 else (1 << (7 - length)) - 1)
    for each in coded[1:length]:
        number = number << 6 | each & 0x3F
    return number


def _crc16(data: bytes) -> int:
    """Return FLAC's CRC-16: polynomial 0x8005, from 0, not reflected."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
    return crc


def _crc16_entry(index: int) -> int:
    crc = index << 8
    for _ in range(8):
        crc = crc << 1 ^ (0x8005 if crc & 0x8000 else 0)
    return crc & 0xFFFF


_CRC16 = tuple(map(_crc16_entry, range(256)))


# --- MPEG audio (MP3): frames back to back, http://www.mp3-tech.org/programmer/frame_header.html ---

_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_TRAILERS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")


def _mp3(data: Bytes) -> Completeness:
    """Follow the frames. A cut between two frames shows only where a Xing or Info header counts them."""
    start = at = _id3_end(data)
    frames = 0
    while at < len(data):
        size = _mp3_frame_bytes(data, at)
        if size == 0:
            trailer = any(data[at : at + len(each)] == each for each in _TRAILERS)
            padding = not bytes(data[at : at + 4096]).strip(b"\0")
            if not (trailer or padding) or frames == 0:
                return Completeness.UNKNOWN
            break
        if at + size > len(data):
            return Completeness.CUT
        at, frames = at + size, frames + 1
    promised = _xing_frames(data, start)
    # The header's own frame is not counted by all encoders.
    return Completeness.UNKNOWN if promised is None else _whole_if(frames >= promised)


def _mp3_frame_bytes(data: Bytes, at: int) -> int:
    """Return the size of the frame that starts there, 0 if none does."""
    head = _big(data, at)
    if at + 4 > len(data):
        # The rest of a header that was cut.
        return 4 if data[at] == 0xFF else 0  # noqa: PLR2004 - the sync word's first byte
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    rate_index, bitrate_index, padding = head >> 10 & 3, head >> 12 & 15, head >> 9 & 1
    if head >> 21 != 0x7FF or version == 1 or layer == 4 or rate_index == 3 or bitrate_index in {0, 15}:  # noqa: PLR2004 - reserved values
        return 0
    mpeg1 = version == 3  # noqa: PLR2004 - the code of MPEG-1
    bitrate = _BITRATES[1 if mpeg1 else 2, layer][bitrate_index - 1] * 1000
    rate = _RATES[version][rate_index]
    if layer == 1:
        return (12 * bitrate // rate + padding) * 4
    return (144 if mpeg1 or layer == 2 else 72) * bitrate // rate + padding  # noqa: PLR2004 - the number of the layer


def _xing_frames(data: Bytes, at: int) -> int | None:
    """Return how many frames a Xing or Info header counts, None without one."""
    head = bytes(data[at : at + 64])
    for name in (b"Xing", b"Info"):
        where = head.find(name)
        if where >= 0 and _big(head, where + 4) & 1:
            return _big(head, where + 8)
    return None


def _id3_end(data: Bytes) -> int:
    """Return where an ID3v2 tag at the start ends, 0 without one: https://id3.org/id3v2.4.0-structure."""
    if data[:3] != b"ID3":
        return 0
    size = 0
    for each in data[6:10]:
        size = size << 7 | each & 0x7F
    return 10 + size + (10 if data[5] & 0x10 else 0)


# --- pictures ---


def _gif(data: Bytes) -> Completeness:
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


def _png(data: Bytes) -> Completeness:
    """Follow the chunks to IEND: https://www.w3.org/TR/png-3/#5Chunk-layout."""
    at = 8
    while at + 12 <= len(data):
        size, kind = _big(data, at), data[at + 4 : at + 8]
        at += 12 + size
        if kind == b"IEND":
            return _whole_if(at <= len(data))
    return Completeness.CUT


def _jpeg(data: Bytes) -> Completeness:
    """Find the end marker behind the last scan: in compressed data neither marker can stand."""
    scan = _first_scan(data)
    return _whole_if(data.rfind(b"\xff\xd9", scan) > data.rfind(b"\xff\xda"))


_MARKER, _SCAN = 0xFF, 0xDA


def _first_scan(data: Bytes) -> int:
    """Return where the first scan starts. The segments before it may hold a whole JPEG of their own, a preview."""
    at = 2
    while at + 4 <= len(data) and data[at] == _MARKER and data[at + 1] != _SCAN:
        at += 2 + _big(data, at + 2, 2) if data[at + 1] != _MARKER else 1
    return at


# --- the rest ---


def _flv(data: Bytes) -> Completeness:
    """Follow the tags, each with its size behind it: Adobe Flash Video File Format 10.1, annex E."""
    at = _big(data, 5) + 4
    while at + 11 <= len(data):
        size = _big(data, at + 1, 3)
        if _big(data, at + 11 + size) != 11 + size:
            return Completeness.CUT
        at += 15 + size
    # A cut between two tags does not show.
    return Completeness.UNKNOWN if at == len(data) else Completeness.CUT


def _glb(data: Bytes) -> Completeness:
    """Compare the length in the header: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-header."""
    return _whole_if(_little(data, 8) == len(data))


_WALKS: dict[str, Callable[[mmap.mmap], Completeness]] = {
    **dict.fromkeys(("mp4", "mov", "m4a", "3gp", "avif", "heic", "heif"), _boxes),
    **dict.fromkeys(("wav", "avi", "webp"), _riff),
    **dict.fromkeys(("ogg", "ogv", "opus", "oga"), _ogg),
    **dict.fromkeys(("webm", "mkv", "mka"), _ebml),
    "flac": _flac,
    "mp3": _mp3,
    "gif": _gif,
    "png": _png,
    "jpg": _jpeg,
    "flv": _flv,
    "glb": _glb,
}
