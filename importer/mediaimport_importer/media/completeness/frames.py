"""Ends of sound in frames back to back: FLAC, MPEG audio (MP3), AAC in ADTS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_importer.media.completeness.reading import Bytes, Completeness, big, unknown_if, whole_if
from mediaimport_importer.media.sound import adts_frame_bytes, mp3_frame_bytes, sound_start

if TYPE_CHECKING:
    from collections.abc import Callable

# --- FLAC: frames that carry their number and a CRC, https://www.rfc-editor.org/rfc/rfc9639 ---

_STREAMINFO_AT = 8
_MAX_CHECKED_BYTES = 4 << 20
"""Of checksums in all: a frame has some ten thousand bytes, and a hostile file a sync code at each."""


def flac(data: Bytes) -> Completeness:
    """Find the last frame: it must be whole by its CRC, and reach the number of samples that STREAMINFO promises."""
    start = sound_start(data)
    info = start + _STREAMINFO_AT
    if data[start : start + 4] != b"fLaC" or info + 34 > len(data):
        return Completeness.CUT
    samples = big(data, info + 13, 5) & ((1 << 36) - 1)
    block = big(data, info + 2, 2)
    if big(data, info, 2) != block:
        return Completeness.UNKNOWN
    end = len(data) - (128 if data[-128:-125] == b"TAG" else 0)
    at, checked = end, 0
    while (at := data.rfind(b"\xff\xf8", info, at)) >= 0 and checked < _MAX_CHECKED_BYTES:
        number = _frame_number(data, at)
        checked += end - at
        if number is not None and _crc16(data[at : end - 2]) == big(data, end - 2, 2):
            # A writer that could not seek leaves the number of samples open.
            return whole_if((number + 1) * block >= samples) if samples else Completeness.UNKNOWN
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

_TRAILERS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")


def mpeg_audio(data: Bytes) -> Completeness:
    """Follow the frames. A cut between two frames shows only where a Xing or Info header counts them."""
    start = sound_start(data)
    if data[start : start + 4] == b"fLaC":
        return flac(data)
    if adts_frame_bytes(data, start):
        return adts(data)
    frames = _whole_frames(data, start, mp3_frame_bytes)
    if frames is None:
        return Completeness.CUT
    promised = _xing_frames(data, start)
    # The header's own frame is not counted by all encoders.
    return Completeness.UNKNOWN if not frames or promised is None else whole_if(frames >= promised)


def _whole_frames(data: Bytes, at: int, frame_bytes: Callable[[Bytes, int], int]) -> int | None:
    """Return the number of frames from there on, None if the last one is cut, 0 if something else follows them."""
    frames = 0
    while at < len(data):
        size = frame_bytes(data, at)
        if size == 0:
            trailer = any(data[at : at + len(each)] == each for each in _TRAILERS)
            padding = not bytes(data[at : at + 4096]).strip(b"\0")
            return frames if trailer or padding else 0
        if at + size > len(data):
            return None
        at, frames = at + size, frames + 1
    return frames


def _xing_frames(data: Bytes, at: int) -> int | None:
    """Return how many frames a Xing or Info header counts, None without one."""
    head = bytes(data[at : at + 64])
    for name in (b"Xing", b"Info"):
        where = head.find(name)
        if where >= 0 and big(head, where + 4) & 1:
            return big(head, where + 8)
    return None


# --- AAC in ADTS: frames back to back, ISO/IEC 13818-7, section 6.2 ---


def adts(data: Bytes) -> Completeness:
    """Follow the frames: the last one must be whole. A cut between two frames does not show."""
    return unknown_if(_whole_frames(data, sound_start(data), adts_frame_bytes) is not None)
