"""Formats of stored originals: kind, extension, content type, and what the prober makes of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mediaimport_api.status import Kind


@dataclass(frozen=True)
class Format:
    """A format: the kind of the file, and the extension and content type of the stored object."""

    kind: Kind
    extension: str
    content_type: str
    animated: bool = False
    """An image that moves: `<img>` shows it, `<video>` does not. `type: video` accepts it, too."""
    probed: bool = True
    """False where the prober is not asked: the file is no media, or in a format that its tools do not read."""
    name: str | None = None
    """The name in the description, where the extension says less."""

    @property
    def format_name(self) -> str:
        """Return the name in the description of a file that is not probed."""
        return self.name or self.extension

    @property
    def is_still(self) -> bool:
        """Tell whether it is a picture without a duration."""
        return self.kind is Kind.IMAGE and not self.animated

    def with_streams(self, *, has_video: bool, has_audio: bool) -> Format:
        """Return this format corrected by the streams: a container alone does not distinguish video from audio."""
        if not self.probed:
            return self
        if self.kind is Kind.VIDEO and not has_video and has_audio:
            return _AUDIO_TWIN.get(self.extension, replace(self, kind=Kind.AUDIO))
        if self.kind is Kind.AUDIO and has_video:
            return _VIDEO_TWIN.get(self.extension, replace(self, kind=Kind.VIDEO))
        return self

    def with_container(self, name: str) -> Format:
        """Return FLAC or AAC for an MP3 that is a container of that name: its tag was longer than the first bytes."""
        return {"flac": FLAC, "aac": AAC}.get(name, self) if self.extension == "mp3" else self

    def with_frames(self, frames: int | None) -> Format:
        """Return this image format as an animation if it has several frames, as a still if it has one."""
        if self.extension not in ANIMATED or frames is None:
            return self
        return replace(self, animated=frames > 1)

    def of_kind(self, kind: Kind) -> Format:
        """Return this format as media of that kind, if a file in it can be; otherwise unchanged."""
        if kind is Kind.AUDIO:
            return self.with_streams(has_video=False, has_audio=True)
        if kind is Kind.VIDEO and self.extension in _VIDEO_TWIN:
            return self.with_streams(has_video=True, has_audio=True)
        return self.with_frames(2) if kind is Kind.VIDEO else self


# --- media that the prober reads ---

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
SVG = Format(_I, "svg", "image/svg+xml")
TIFF = Format(_I, "tiff", "image/tiff")
JXL = Format(_I, "jxl", "image/jxl")
HEIC = Format(_I, "heic", "image/heic")
BMP = Format(_I, "bmp", "image/bmp")
JP2 = Format(_I, "jp2", "image/jp2")
QOI = Format(_I, "qoi", "image/qoi")
MP3 = Format(_A, "mp3", "audio/mpeg")
M4A = Format(_A, "m4a", "audio/mp4")
AAC = Format(_A, "aac", "audio/aac")
WAV = Format(_A, "wav", "audio/wav")
FLAC = Format(_A, "flac", "audio/flac")
OGG = Format(_A, "ogg", "audio/ogg")
OPUS = Format(_A, "opus", "audio/ogg")
WMA = Format(_A, "wma", "audio/x-ms-wma")
W64 = Format(_A, "w64", "audio/x-w64")

_PROBED = (
    MP4, MOV, THREE_GP, WEBM, MKV, TS, MPG, AVI, FLV, WMV, OGV, JPEG, PNG, GIF, WEBP, AVIF, SVG, TIFF, JXL, HEIC, BMP,
    JP2, QOI, MP3, M4A, AAC, WAV, FLAC, OGG, OPUS, WMA, W64,
)  # fmt: skip
INDEXED = frozenset({"mp4", "mov", "3gp", "m4a", "mkv", "mka", "webm"})
"""Containers whose header has the duration, and that can be read near their end."""
ANIMATED = frozenset({"gif", "webp", "png", "avif"})
"""Image formats that can move."""
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


# --- everything else, which is kept as it came ---


def _kept(kind: Kind, extension: str, content_type: str) -> Format:
    return Format(kind, extension, content_type, probed=False)


OCTETS = "application/octet-stream"
_M, _D, _Z = Kind.MODEL3D, Kind.DOCUMENT, Kind.ARCHIVE
PSD = _kept(_I, "psd", "image/vnd.adobe.photoshop")
EXR = _kept(_I, "exr", "image/x-exr")
ICO = _kept(_I, "ico", "image/x-icon")
SEGMENT = _kept(_V, "m4s", "video/iso.segment")
H264 = _kept(_V, "h264", "video/h264")
REALMEDIA = _kept(_V, "rm", "application/vnd.rn-realmedia")
AIFF = _kept(_A, "aiff", "audio/aiff")
MIDI = _kept(_A, "mid", "audio/midi")
AMR = _kept(_A, "amr", "audio/amr")
CAF = _kept(_A, "caf", "audio/x-caf")
GLB = _kept(_M, "glb", "model/gltf-binary")
GLTF = _kept(_M, "gltf", "model/gltf+json")
OBJ = _kept(_M, "obj", "model/obj")
PLY = _kept(_M, "ply", "model/ply")
SPLAT = _kept(_M, "splat", OCTETS)
STL = _kept(_M, "stl", "model/stl")
FBX = _kept(_M, "fbx", OCTETS)
USDZ = _kept(_M, "usdz", "model/vnd.usdz+zip")
USD = _kept(_M, "usd", "model/vnd.usd")
PDF = _kept(_D, "pdf", "application/pdf")
TXT = _kept(_D, "txt", "text/plain")
MARKDOWN = _kept(_D, "md", "text/markdown")
JSON = _kept(_D, "json", "application/json")
JSON_LINES = _kept(_D, "jsonl", "application/jsonl")
CSV = _kept(_D, "csv", "text/csv")
SRT = _kept(_D, "srt", "application/x-subrip")
VTT = _kept(_D, "vtt", "text/vtt")
XML = _kept(_D, "xml", "application/xml")
PLAYLIST = _kept(_D, "m3u8", "application/vnd.apple.mpegurl")
RTF = _kept(_D, "rtf", "application/rtf")
EPUB = _kept(_D, "epub", "application/epub+zip")
_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX = _kept(_D, "docx", f"{_OFFICE}.wordprocessingml.document")
XLSX = _kept(_D, "xlsx", f"{_OFFICE}.spreadsheetml.sheet")
PPTX = _kept(_D, "pptx", f"{_OFFICE}.presentationml.presentation")
ZIP = _kept(_Z, "zip", "application/zip")
TAR = _kept(_Z, "tar", "application/x-tar")
GZIP = _kept(_Z, "gz", "application/gzip")
SEVEN_ZIP = _kept(_Z, "7z", "application/x-7z-compressed")
RAR = _kept(_Z, "rar", "application/vnd.rar")
XZ = _kept(_Z, "xz", "application/x-xz")
BZIP2 = _kept(_Z, "bz2", "application/x-bzip2")
ZSTD = _kept(_Z, "zst", "application/zstd")
SAFETENSORS = _kept(_Z, "safetensors", OCTETS)
BINARY = _kept(Kind.FILE, "bin", OCTETS)

_KEPT = (
    PSD, EXR, ICO, SEGMENT, H264, REALMEDIA, AIFF, MIDI, AMR, CAF,
    GLB, GLTF, OBJ, PLY, SPLAT, STL, FBX, USDZ, USD,
    PDF, TXT, MARKDOWN, JSON, JSON_LINES, CSV, SRT, VTT, XML, PLAYLIST, RTF, EPUB, DOCX, XLSX, PPTX,
    ZIP, TAR, GZIP, SEVEN_ZIP, RAR, XZ, BZIP2, ZSTD, SAFETENSORS, BINARY,
)  # fmt: skip


def unknown(*, name: str, content_type: str) -> Format:
    """Return a file of a format that is known by its name alone; its object is named as any unknown file is."""
    return replace(BINARY, name=name, content_type=content_type or OCTETS)


def stored_formats() -> frozenset[Format]:
    """Return every format of a stored original: those that the first bytes show, and what the streams make of them."""
    found: set[Format] = set()
    new = set(_PROBED)
    while new:
        found |= new
        new = {changed for each in new for changed in _corrected(each)} - found
    return frozenset(found | set(_KEPT))


def _corrected(found: Format) -> set[Format]:
    by_streams = {
        found.with_streams(has_video=video, has_audio=audio) for video in (True, False) for audio in (True, False)
    }
    return by_streams | {found.with_frames(1), found.with_frames(2)}
