"""Still pictures for libvips: detected by their first bytes, described in the form of ffprobe's JSON. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

Document = dict[str, Any]

HEAD_BYTES = 64 * 1024
_SVG = re.compile(rb"<(?:[a-z]{1,16}:)?svg[\s>/]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_SVG_START_BYTES = 4096
_IROT = re.compile(rb"\0\0\0\x09irot(.)", re.DOTALL)
_AVIF, _AVIF_SEQUENCE = b"avif", b"avis"
_GRID = b"\0\0grid\0"
"""An item's type, behind its protection and before its name."""
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis"})


class Loader(StrEnum):
    """A loader of libvips; all others are blocked. The names are libvips' own, in `VipsForeignLoad…`."""

    JPEG = "Jpeg"
    PNG = "Png"
    WEBP = "Webp"
    GIF = "Nsgif"
    TIFF = "Tiff"
    AVIF = "Heif"
    SVG = "Svg"
    HEIC = "Heic"
    """Not libvips' own: `heic` decodes it."""


_BY_START = (
    ((b"\xff\xd8\xff",), Loader.JPEG),
    ((b"\x89PNG\r\n\x1a\n",), Loader.PNG),
    ((b"GIF87a", b"GIF89a"), Loader.GIF),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), Loader.TIFF),
)
# The names that ffprobe has for the container and the codec.
_FFPROBE_NAMES = {
    Loader.JPEG: ("jpeg_pipe", "mjpeg"),
    Loader.PNG: ("png_pipe", "png"),
    Loader.WEBP: ("webp_pipe", "webp"),
    Loader.GIF: ("gif", "gif"),
    Loader.TIFF: ("tiff_pipe", "tiff"),
    Loader.AVIF: ("mov,mp4,m4a,3gp,3g2,mj2", "av1"),
    Loader.SVG: ("svg_pipe", "svg"),
    Loader.HEIC: ("mov,mp4,m4a,3gp,3g2,mj2", "hevc"),
}
_UPRIGHT = frozenset({Loader.AVIF, Loader.HEIC})
# EXIF's orientations as degrees clockwise; a picture that is only mirrored (2, 4) is not turned.
_CLOCKWISE = {3: 180, 5: 270, 6: 90, 7: 90, 8: 270}
_PIXEL_FORMATS = {1: "gray", 2: "ya8", 3: "rgb24", 4: "rgba"}
_DEEP_PIXEL_FORMATS = {1: "gray16", 2: "ya16", 3: "rgb48", 4: "rgba64"}
_SIDEWAYS = frozenset({90, 270})
_BYTE = 8
_CHROMA_DIGITS = 3
_SEVERAL = 2


@dataclass(frozen=True)
class Detected:
    """A picture for libvips. `partial`: ffprobe adds what libvips cannot say (frames of an APNG, HDR of an AVIF).

    `turned`: the rotation of an AVIF or HEIC, clockwise; libvips applies it without a word.
    """

    loader: Loader
    partial: bool = False
    turned: int = 0
    tiled: bool = False
    """True for a grid, of which ffmpeg sees one tile."""


def detect(head: bytes) -> Detected | None:
    """Return the picture that a file with that head is; None if it is none that libvips reads."""
    for starts, loader in _BY_START:
        if head.startswith(starts):
            return Detected(loader, partial=loader is Loader.PNG and b"acTL" in head.partition(b"IDAT")[0])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Detected(Loader.WEBP)
    brands = _brands(head)
    if _AVIF in brands:
        return Detected(Loader.AVIF, partial=True, turned=_irot(head), tiled=_GRID in head)
    if brands & _HEIC:
        return Detected(Loader.HEIC, turned=_irot(head), tiled=_GRID in head)
    return Detected(Loader.SVG) if _is_svg(head) else None


def _brands(head: bytes) -> set[bytes]:
    """Return the brands of an HEIF or MP4; none of an AVIF sequence, which libvips cannot read."""
    if head[4:8] != b"ftyp" or head[8:12] == _AVIF_SEQUENCE:
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}


def _irot(head: bytes) -> int:
    """Return the rotation of the first `irot` box in degrees clockwise; it counts quarters counterclockwise."""
    found = _IROT.search(head)
    return -90 * (found[1][0] & 3) % 360 if found else 0


def _is_svg(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:_SVG_START_BYTES]
    found = _SVG.search(text) if text.startswith(b"<") else None
    return found is not None and _HTML.search(text, 0, found.start()) is None


def document(facts: Document, picture: Detected) -> Document:
    """Return what libvips says of a picture, in the form of ffprobe's JSON."""
    container, codec = _FFPROBE_NAMES[picture.loader]
    stream = {"index": 0, "codec_name": codec, "codec_type": "video", "pix_fmt": _pixel_format(facts)}
    stream |= _seen(facts, picture)
    described = {"streams": [stream], "format": {"nb_streams": 1, "format_name": container}}
    return _with_frames(described, facts)


def merged(probed: Document, facts: Document, picture: Detected) -> Document:
    """Return ffprobe's description of a picture with the size and the alpha that libvips sees.

    ffprobe takes a tile of a grid for the picture, and an alpha channel for a second one.
    """
    streams = [each for each in probed.get("streams", []) if each.get("codec_type") == "video"]
    if not streams:
        return document(facts, picture)
    pix_fmt = {"pix_fmt": _pixel_format(facts)} if picture.loader is Loader.PNG else {}
    return probed | {"streams": [streams[0] | pix_fmt | _seen(facts, picture)]}


def _seen(facts: Document, picture: Detected) -> Document:
    """Return the size before the rotation, the rotation and the alpha; AVIF and HEIC are turned already."""
    width, height = facts["width"], facts["height"]
    turned = picture.turned if picture.loader in _UPRIGHT else _CLOCKWISE.get(facts["orientation"], 0)
    if picture.loader in _UPRIGHT and turned in _SIDEWAYS:
        width, height = height, width
    size = {"width": width, "height": height, "coded_width": width, "coded_height": height}
    rotation = {"side_data_list": [{"side_data_type": "Display Matrix", "rotation": -turned}]} if turned else {}
    return size | rotation | {"tags": {"alpha_mode": "1" if facts["hasAlpha"] else "0"}}


def _pixel_format(facts: Document) -> str:
    """Return the pixel format in ffmpeg's words; of CMYK, for which it has none, the plain word."""
    if facts["interpretation"] == "cmyk":
        return "cmyk"
    chroma = facts["chroma"].replace(":", "")
    if len(chroma) == _CHROMA_DIGITS and facts["bands"] == len("YCC"):
        return f"yuvj{chroma}p"
    names = _PIXEL_FORMATS if facts["depth"] <= _BYTE else _DEEP_PIXEL_FORMATS
    return names.get(facts["bands"], "unknown")


def _with_frames(described: Document, facts: Document) -> Document:
    """Return the description with the number of frames and, if they are several, duration and average rate."""
    stream, frames, lasts_ms = described["streams"][0], facts["frames"], facts["durationMs"]
    counted = stream | {"nb_frames": str(frames)}
    if frames < _SEVERAL or not lasts_ms:
        return described | {"streams": [counted]}
    rate = Fraction(frames * 1000, lasts_ms)
    timed = counted | {"avg_frame_rate": f"{rate.numerator}/{rate.denominator}"}
    return {"streams": [timed], "format": described["format"] | {"duration": f"{lasts_ms / 1000:.3f}"}}
