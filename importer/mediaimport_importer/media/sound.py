"""Headers of sound in frames, MPEG audio (MP3) and ADTS (AAC), and the tags and padding before them. Pure."""

from __future__ import annotations

from typing import Protocol, overload


class Bytes(Protocol):
    """Bytes in memory, or of a file that is mapped there."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int, /) -> int: ...
    @overload
    def __getitem__(self, at: slice, /) -> bytes: ...


# --- tags and padding ---

_ID3_HEADER = 10
_CHUNK_BYTES = 64 * 1024


def sound_start(data: Bytes) -> int:
    """Return where sound begins, behind ID3v2 tags and zero bytes: https://id3.org/id3v2.4.0-structure."""
    at = _zeros_end(data, 0)
    while data[at : at + 3] == b"ID3" and at + _ID3_HEADER <= len(data):
        at = _zeros_end(data, at + _id3_bytes(data[at : at + _ID3_HEADER]))
    return at


def _zeros_end(data: Bytes, at: int) -> int:
    while chunk := data[at : at + _CHUNK_BYTES]:
        sound = chunk.lstrip(b"\0")
        at += len(chunk) - len(sound)
        if sound:
            break
    return at


def _id3_bytes(header: bytes) -> int:
    size = 0
    for each in header[6:]:
        size = size << 7 | each & 0x7F
    return _ID3_HEADER + size + (_ID3_HEADER if header[5] & 0x10 else 0)


# --- MPEG audio: http://www.mp3-tech.org/programmer/frame_header.html ---

_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def mp3_frame_bytes(data: Bytes, at: int) -> int:
    """Return the size of the frame that starts there, 0 if none does."""
    head = int.from_bytes(data[at : at + 4], "big")
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


# --- ADTS: ISO/IEC 13818-7, section 6.2 ---

_ADTS_HEADER = 7


def adts_frame_bytes(data: Bytes, at: int) -> int:
    """Return the size of the frame that starts there, 0 if none does."""
    if at + _ADTS_HEADER > len(data):
        # The rest of a header that was cut.
        return _ADTS_HEADER if at < len(data) and data[at] == 0xFF else 0  # noqa: PLR2004 - the sync word's first byte
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:  # noqa: PLR2004 - the sync word, and the layer 0
        return 0
    size = int.from_bytes(data[at + 3 : at + 7], "big") >> 13 & 0x1FFF
    return size if size >= _ADTS_HEADER else 0
