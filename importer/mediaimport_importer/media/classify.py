"""Format of a file by its first 64 KiB: never by the source's name or Content-Type. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError
from mediaimport_importer.media.formats import (
    AAC,
    AVI,
    AVIF,
    FLAC,
    FLV,
    GIF,
    HEIC,
    JPEG,
    M4A,
    MKV,
    MOV,
    MP3,
    MP4,
    MPG,
    OGG,
    OGV,
    OPUS,
    PNG,
    SEGMENT,
    THREE_GP,
    TS,
    WAV,
    WEBM,
    WEBP,
    WMV,
    Format,
)
from mediaimport_importer.media.sound import adts_frame_bytes, mp3_frame_bytes, sound_start
from mediaimport_importer.media.text import ErrorDocument, decoded, text_format

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_BYTES = 64 * 1024

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_SOUND_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
_SEGMENT_STARTS = {b"styp", b"moof", b"sidx", b"emsg"}
"""The boxes that a part of a fragmented MP4 starts with: without its initialisation segment it cannot be read."""
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


def _iso(head: bytes) -> Format | None:
    """Return the format of an ISO base media file (MP4 and its family) by the brands in its `ftyp` box."""
    if head[4:8] != b"ftyp":
        return MOV if head[4:8] in _OLD_QUICKTIME else None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    major = head[8:12]
    if brands & _AVIF_BRANDS:
        return replace(AVIF, animated=major == b"avis")
    if major in _HEIF_BRANDS:
        return HEIC
    if major in _SOUND_BRANDS:
        return M4A
    if major == b"qt  ":
        return MOV
    return THREE_GP if major.startswith((b"3gp", b"3g2")) else MP4


def _segment(head: bytes) -> Format | None:
    return SEGMENT if head[4:8] in _SEGMENT_STARTS else None


def _ebml(head: bytes) -> Format | None:
    if not head.startswith(b"\x1aE\xdf\xa3"):
        return None
    return WEBM if b"webm" in head[:128] else MKV


def _riff(head: bytes) -> Format | None:
    if head[:4] not in {b"RIFF", b"RF64", b"BW64"}:
        return None
    if head[8:12] == b"WEBP":
        return replace(WEBP, animated=head[12:16] == b"VP8X" and bool(head[20:21]) and bool(head[20] & 2))
    return {b"WAVE": WAV, b"AVI ": AVI}.get(head[8:12])


def _gif(head: bytes) -> Format | None:
    if not head.startswith((b"GIF87a", b"GIF89a")):
        return None
    return replace(GIF, animated=b"NETSCAPE2.0" in head)


def _png(head: bytes) -> Format | None:
    if not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return replace(PNG, animated=b"acTL" in head.partition(b"IDAT")[0])


def _ogg(head: bytes) -> Format | None:
    if not head.startswith(b"OggS"):
        return None
    if b"\x80theora" in head[:4096]:
        return OGV
    return OPUS if b"OpusHead" in head[:4096] else OGG


def _transport_stream(head: bytes) -> Format | None:
    """Return TS if packets of 188 bytes (or 192, each with a time code first) start with their sync byte."""
    for size, first in ((188, 0), (192, 4)):
        marks = head[first : first + 5 * size : size]
        if len(marks) >= 2 and set(marks) == {0x47}:
            return TS
    return None


def _mpeg_audio(head: bytes) -> Format | None:
    return _padded_sound(head) if head.startswith((b"ID3", b"\0")) else _sound_frame(head)


def _padded_sound(head: bytes) -> Format | None:
    """Return the sound behind ID3 tags and zero bytes. Unknown bytes are MP3 behind a tag, and nothing behind zeros."""
    at, tagged = sound_start(head), head.startswith(b"ID3")
    if tagged and head[at : at + 4] == b"fLaC":
        return FLAC
    if _frames_follow(head, at, adts_frame_bytes):
        return AAC
    return MP3 if tagged or _frames_follow(head, at, mp3_frame_bytes) else None


def _frames_follow(head: bytes, at: int, frame_bytes: Callable[[bytes, int], int]) -> bool:
    """Tell whether two frames, the second perhaps cut, stand there: a single header is found in many files."""
    size = frame_bytes(head, at) if at + 4 <= len(head) else 0
    return bool(size) and at + size + 4 <= len(head) and frame_bytes(head, at + size) > 0


def _sound_frame(head: bytes) -> Format | None:
    """Return the sound whose frame starts the file."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return AAC
    layer, rate, sampling = head[1] & 0x06, head[2] >> 4, (head[2] >> 2) & 3
    return MP3 if layer and rate not in {0, 15} and sampling != 3 else None


_BY_START: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"fLaC", FLAC),
    (b"FLV\x01", FLV),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WMV),
    (b"\x00\x00\x01\xba", MPG),
)
_BY_STRUCTURE: tuple[Callable[[bytes], Format | None], ...] = (
    _iso, _segment, _ebml, _riff, _gif, _png, _ogg, _mpeg_audio, _transport_stream,
)  # fmt: skip

_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|(?:html|head|body|title|script)\b)", re.IGNORECASE)


def classify(head: bytes, *, trusted: bool = False) -> Format:
    """Return the format of the file with that head, HEAD_BYTES of it or all; NotMedia if it says that a request failed.

    `trusted`: the spec has the checksum of what it expects, so that an error document can be just that.
    """
    if not head:
        raise not_media("an empty answer")
    complete = len(head) < HEAD_BYTES
    text = decoded(head, complete=complete)
    media = _media(head, is_text=text is not None)
    if media is not None:
        return media
    if _PAGE.match(head):
        raise not_media("an HTML page")
    if text is None:
        return _binary(head, complete=complete)
    found = text_format(text, complete=complete, errors=not trusted)
    if isinstance(found, ErrorDocument):
        raise not_media(found.name)
    return found


def _media(head: bytes, *, is_text: bool) -> Format | None:
    """Return the format of media that the prober reads. The letters of a text can stand where a structure has bytes."""
    for start, known in _BY_START:
        if head.startswith(start):
            return known
    if is_text:
        return None
    return next((detected for detect in _BY_STRUCTURE if (detected := detect(head)) is not None), None)


def _binary(head: bytes, *, complete: bool) -> Format:
    # Most files are media: for those, puremagic's table is not read.
    from mediaimport_importer.media.binary import binary_format  # noqa: PLC0415 - see above

    return binary_format(head, complete=complete)


def not_media(what: str) -> RefusedError:
    """Return the refusal of a body that is no output of a model."""
    return RefusedError(
        Reason.NOT_MEDIA, f"the source served {what}, not the output of a model; check what the URL serves"
    )
