"""Format of a file by its magic bytes (first 64 KiB): never by the source's name or Content-Type. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import Kind

from mediaimport_importer.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Format:
    """A container format: the media's kind, and the extension and content type of the stored object."""

    kind: Kind
    extension: str
    content_type: str
    animated: bool = False
    """An animation in an image format: its kind is video, and `type: image` accepts it too."""

    def with_streams(self, *, has_video: bool, has_audio: bool) -> Format:
        """Return this format corrected by the streams: a container alone does not distinguish video from audio."""
        if self.kind is Kind.VIDEO and not has_video and has_audio:
            return _AUDIO_TWIN.get(self.extension, replace(self, kind=Kind.AUDIO))
        if self.kind is Kind.AUDIO and has_video:
            return _VIDEO_TWIN.get(self.extension, replace(self, kind=Kind.VIDEO))
        return self

    def with_frames(self, frames: int | None) -> Format:
        """Return this image format as a video if it has several frames, as an image if it has one."""
        if self.extension not in _ANIMATED or frames is None:
            return self
        return _animated(self, animated=frames > 1)

    def of_kind(self, kind: Kind) -> Format:
        """Return this format as media of that kind, if a file in it can be; otherwise unchanged."""
        if kind is Kind.AUDIO:
            return self.with_streams(has_video=False, has_audio=True)
        if kind is Kind.VIDEO and self.extension in _VIDEO_TWIN:
            return self.with_streams(has_video=True, has_audio=True)
        return self.with_frames(2) if kind is Kind.VIDEO else self


def _animated(image: Format, *, animated: bool) -> Format:
    return replace(image, kind=Kind.VIDEO if animated else Kind.IMAGE, animated=animated)


_V, _I, _A = Kind.VIDEO, Kind.IMAGE, Kind.AUDIO
MP4 = Format(_V, "mp4", "video/mp4")
MOV = Format(_V, "mov", "video/quicktime")
THREE_GP = Format(_V, "3gp", "video/3gpp")
WEBM = Format(_V, "webm", "video/webm")
MKV = Format(_V, "mkv", "video/x-matroska")
TS = Format(_V, "ts", "video/mp2t")
MPG = Format(_V, "mpg", "video/mpeg")
AVI = Format(_V, "avi", "video/x-msvideo")
FLV = Format(_V, "flv", "video/x-flv")
WMV = Format(_V, "wmv", "video/x-ms-wmv")
OGV = Format(_V, "ogv", "video/ogg")
JPEG = Format(_I, "jpg", "image/jpeg")
PNG = Format(_I, "png", "image/png")
GIF = Format(_I, "gif", "image/gif")
WEBP = Format(_I, "webp", "image/webp")
AVIF = Format(_I, "avif", "image/avif")
MP3 = Format(_A, "mp3", "audio/mpeg")
M4A = Format(_A, "m4a", "audio/mp4")
AAC = Format(_A, "aac", "audio/aac")
WAV = Format(_A, "wav", "audio/wav")
FLAC = Format(_A, "flac", "audio/flac")
OGG = Format(_A, "ogg", "audio/ogg")
OPUS = Format(_A, "opus", "audio/ogg")
WMA = Format(_A, "wma", "audio/x-ms-wma")

_BASE = (
    MP4, MOV, THREE_GP, WEBM, MKV, TS, MPG, AVI, FLV, WMV, OGV, JPEG, PNG, GIF, WEBP, AVIF,
    MP3, M4A, AAC, WAV, FLAC, OGG, OPUS, WMA,
)  # fmt: skip
INDEXED = frozenset({"mp4", "mov", "3gp", "m4a", "mkv", "mka", "webm"})
"""Containers whose header has the duration, and that can be read near their end."""
_ANIMATED = {"gif", "webp", "png", "avif"}
_AUDIO_TWIN = {
    "mp4": M4A,
    "mov": M4A,
    "3gp": Format(_A, "3gp", "audio/3gpp"),
    "webm": Format(_A, "webm", "audio/webm"),
    "mkv": Format(_A, "mka", "audio/x-matroska"),
    "wmv": WMA,
    "ogv": OGG,
}
_VIDEO_TWIN = {"m4a": MP4, "ogg": OGV, "opus": OGV, "wma": WMV}


def stored_formats() -> frozenset[Format]:
    """Return every format of a stored original: those that the first bytes show, and what the streams make of them."""
    found: set[Format] = set()
    new = set(_BASE)
    while new:
        found |= new
        new = {changed for each in new for changed in _corrected(each)} - found
    return frozenset(found)


def _corrected(found: Format) -> set[Format]:
    by_streams = {
        found.with_streams(has_video=video, has_audio=audio) for video in (True, False) for audio in (True, False)
    }
    return by_streams | {found.with_frames(1), found.with_frames(2)}


_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_SOUND_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


def _iso(head: bytes) -> Format | None:
    """Return the format of an ISO base media file (MP4 and its family) by the brands in its `ftyp` box."""
    if head[4:8] != b"ftyp":
        return MOV if head[4:8] in _OLD_QUICKTIME else None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    major = head[8:12]
    if brands & _AVIF_BRANDS:
        return _animated(AVIF, animated=major == b"avis")
    if major in _HEIF_BRANDS:
        raise unsupported("HEIF")
    if major in _SOUND_BRANDS:
        return M4A
    if major == b"qt  ":
        return MOV
    return THREE_GP if major.startswith((b"3gp", b"3g2")) else MP4


def _ebml(head: bytes) -> Format | None:
    if not head.startswith(b"\x1aE\xdf\xa3"):
        return None
    return WEBM if b"webm" in head[:128] else MKV


def _riff(head: bytes) -> Format | None:
    if head[:4] not in {b"RIFF", b"RF64", b"BW64"}:
        return None
    if head[8:12] == b"WEBP":
        return _animated(WEBP, animated=head[12:16] == b"VP8X" and bool(head[20:21]) and bool(head[20] & 2))
    return {b"WAVE": WAV, b"AVI ": AVI}.get(head[8:12])


def _gif(head: bytes) -> Format | None:
    if not head.startswith((b"GIF87a", b"GIF89a")):
        return None
    return _animated(GIF, animated=b"NETSCAPE2.0" in head)


def _png(head: bytes) -> Format | None:
    if not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    return _animated(PNG, animated=b"acTL" in head.partition(b"IDAT")[0])


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
    if head.startswith(b"ID3"):
        return MP3
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
    _iso, _ebml, _riff, _gif, _png, _ogg, _mpeg_audio, _transport_stream,
)  # fmt: skip

_UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"8BPS", "Photoshop"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"FORM", "AIFF"),
    (b"MThd", "MIDI"),
    (b"#!AMR", "AMR"),
    (b".RMF", "RealMedia"),
    (b"caff", "CAF"),
)
_NOT_MEDIA: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"%PDF", "a PDF document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"Rar!", "a rar archive"),
    (b"\x7fELF", "a program"),
    (b"#EXTM3U", "an HLS playlist, which only refers to media"),
    (b"ffconcat", "a concat script, which only refers to media"),
)
_TEXT: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"<(!doctype html|html|head|body|title|script)\b"), "an HTML page"),
    (re.compile(rb"<svg\b|<\?xml.{0,512}<svg\b", re.DOTALL), "an SVG drawing"),
    (re.compile(rb"<(\?xml|[a-z!])"), "an XML document"),
    (re.compile(rb"[{\[]"), "a JSON document"),
)


def classify(head: bytes) -> Format:
    """Return the format of the file with that head; RefusedError (NotMedia, UnsupportedFormat) names what it is."""
    if not head:
        raise not_media("an empty answer")
    for start, known in _BY_START:
        if head.startswith(start):
            return known
    for detect in _BY_STRUCTURE:
        detected = detect(head)
        if detected is not None:
            return detected
    raise _refusal(head)


def _refusal(head: bytes) -> RefusedError:
    for start, name in _NOT_MEDIA:
        if head.startswith(start):
            return not_media(name)
    for start, name in _UNSUPPORTED:
        if head.startswith(start):
            return unsupported(name)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1024].lower()
    for pattern, name in _TEXT:
        if pattern.match(text):
            return not_media(name)
    if not text.strip(b"\x00"):
        return not_media("nothing but zeros or blanks")
    return not_media("plain text" if _is_text(head) else "data of no known media format")


def _is_text(head: bytes) -> bool:
    try:
        text = head[:1024].decode()
    except UnicodeDecodeError as error:
        return error.start > len(head[:1024]) - 4
    return all(char.isprintable() or char.isspace() for char in text)


def not_media(what: str) -> RefusedError:
    """Return the refusal of bytes that are no media."""
    return RefusedError(
        Reason.NOT_MEDIA, f"the source served {what}, not a video, image or audio; check what the URL serves"
    )


def unsupported(what: str) -> RefusedError:
    """Return the refusal of media in an unsupported format."""
    return RefusedError(
        Reason.UNSUPPORTED_FORMAT, f"the media is {what}, an unsupported format; convert it to a common one"
    )
