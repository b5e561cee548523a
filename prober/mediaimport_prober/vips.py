"""Program that reads one picture with libvips: `python -m mediaimport_prober.vips describe LOADER`, or `render …`.

It runs in the sandbox. The picture is its standard input. All loaders but one are blocked, and every path is given up
before the first byte is read: a file that takes libvips over finds nothing to open and nobody to talk to.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyvips

from mediaimport_prober import heic, landlock
from mediaimport_prober.loader import Loader

if TYPE_CHECKING:
    from collections.abc import Sequence

UNREADABLE = 3
"""Exit code: libvips cannot read the picture, which another tool may."""
MAX_PIXELS = 500_000_000
"""Upscalers write 400 million; libvips holds a part of them at a time."""
MAX_HEIGHT_TO_WIDTH = 4
TOO_MANY_PIXELS = f"a picture exceeds specified max pixel count {MAX_PIXELS}"
_FONTS = tuple(
    Path(each) for each in ("/etc/fonts", "/usr/share/fonts", "/usr/share/fontconfig", "/var/cache/fontconfig")
)
_QUALITY = 88
_WHITE, _DEEP_WHITE = 255, 65535
_MAX_ALPHA_PIXELS = 16_000_000
_LUMA = [0.299, 0.587, 0.114]
# As ffmpeg's filter `blackframe` has it: a frame of which 98 % are darker than 32.
_DARK, _MOSTLY = 32, 0.98
_MAX_BLACK_FRAMES = 48
_SHRINKS = (8, 4, 2)
# Browsers show a frame that claims to be shorter than that for 0.1 s.
_FASTEST_MS, _DEFAULT_MS = 10, 100


def allow_only(loader: str) -> None:
    """Block every loader but one, and what libvips itself calls untrusted."""
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    if loader == Loader.HEIC:
        heic.load()
    else:
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)


def describe() -> dict[str, Any]:
    """Return the facts of the picture's header; of its pixels the alpha alone, and that only of small pictures."""
    image = _header()
    delays_ms = _field(image, "delay", [])
    return {
        "width": image.width,
        "height": image.height,
        "bands": image.bands,
        "depth": 8 if image.format == "uchar" else 16,
        "interpretation": image.interpretation,
        "hasAlpha": bool(image.hasalpha()) and not _is_known_opaque(image),
        "orientation": _field(image, "orientation", 1),
        "chroma": _field(image, "jpeg-chroma-subsample", ""),
        "frames": _frames(image),
        "durationMs": sum(each if each > _FASTEST_MS else _DEFAULT_MS for each in delays_ms),
    }


def render(width: int, *, skip_black: bool) -> tuple[bytes, float]:
    """Return a JPEG, at most `width` wide, and its mean brightness, 0 to 255."""
    header = _header()
    _check_pixels(header.width, header.height)
    frames = min(_frames(header), _MAX_BLACK_FRAMES) if skip_black else 1
    picture = _opaque(_small(header, width))
    for page in range(1, frames):
        if not _is_black(picture):
            break
        picture = _opaque(_thumbnail(width, f"[page={page}]"))
    return _encoded(picture)


def render_heic(width: int) -> tuple[bytes, float]:
    """Return the same of an HEIC."""
    picture = heic.opened(sys.stdin.buffer)
    _check_pixels(*picture.size)
    return _encoded(_opaque(_resized(heic.decoded(picture), width)))


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise pyvips.Error(TOO_MANY_PIXELS)


def _encoded(picture: pyvips.Image) -> tuple[bytes, float]:
    return picture.jpegsave_buffer(Q=_QUALITY, keep="none", optimize_coding=True), _luma(picture).avg()


def _resized(image: pyvips.Image, width: int) -> pyvips.Image:
    """Return a picture that is in memory already, in sRGB, never enlarged."""
    return image.thumbnail_image(width, height=width * MAX_HEIGHT_TO_WIDTH, size="down", output_profile="srgb")


def _is_known_opaque(image: pyvips.Image) -> bool:
    """Tell whether the picture has an alpha channel that hides nothing.

    A GIF uses transparency to repeat what the frame before shows, and many generators write a channel for nothing.
    """
    pixels = image.width * image.height * _frames(image)
    if pixels > _MAX_ALPHA_PIXELS or _field(image, "vips-loader", "") == "svgload_source":
        return False
    everything = {"n": -1} if _frames(image) > 1 else {}
    try:
        alpha = pyvips.Image.new_from_source(_source(), "", access="sequential", **everything)[-1]
        return bool(alpha.min() >= (_WHITE if alpha.format == "uchar" else _DEEP_WHITE))
    except pyvips.Error:
        return False


def _source() -> pyvips.Source:
    return pyvips.Source.new_from_descriptor(sys.stdin.fileno())


def _header() -> pyvips.Image:
    return pyvips.Image.new_from_source(_source(), "")


def _field(image: pyvips.Image, name: str, default: Any) -> Any:  # noqa: ANN401 - libvips' fields have any type
    return image.get(name) if name in image.get_fields() else default


def _frames(header: pyvips.Image) -> int:
    """Return the number of frames; pages that have no time are none."""
    return int(_field(header, "n-pages", 1)) if "delay" in header.get_fields() else 1


def _small(header: pyvips.Image, width: int) -> pyvips.Image:
    # Without a profile libvips takes a printer's; browsers take the inks for the complements of the screen's colours.
    plain = header.interpretation == "cmyk" and "icc-profile-data" not in header.get_fields()
    return _of_plain_inks(header, width) if plain else _thumbnail(width)


def _thumbnail(width: int, options: str = "") -> pyvips.Image:
    """Return the picture upright, in sRGB, never enlarged."""
    return pyvips.Image.thumbnail_source(
        _source(), width, option_string=options, height=width * MAX_HEIGHT_TO_WIDTH, size="down", output_profile="srgb"
    )


def _of_plain_inks(header: pyvips.Image, width: int) -> pyvips.Image:
    largest = max(header.width, header.height)
    shrink = next((each for each in _SHRINKS if largest >= 2 * each * width), 1)
    options = {"shrink": shrink} if "jpeg-chroma-subsample" in header.get_fields() else {}
    inks = pyvips.Image.new_from_source(_source(), "", access="sequential", **options)
    light = inks[:3].linear(-1, _WHITE) * (_WHITE - inks[3]) / _WHITE
    return _resized(light.cast("uchar").copy(interpretation="srgb"), width)


def _opaque(image: pyvips.Image) -> pyvips.Image:
    """Return the picture in memory on white, in three bands of bytes."""
    flat = image.flatten(background=_WHITE) if image.hasalpha() else image
    return flat.colourspace("srgb").cast("uchar").copy_memory()


def _luma(picture: pyvips.Image) -> pyvips.Image:
    return picture.recomb(pyvips.Image.new_from_array([_LUMA]))


def _is_black(picture: pyvips.Image) -> bool:
    return float((_luma(picture) < _DARK).avg()) >= _MOSTLY * _WHITE


def main(operation: str, loader: str, arguments: Sequence[str]) -> int:
    """Write JSON, or a JPEG and its brightness on standard error; return UNREADABLE if the library says so."""
    allow_only(loader)
    if landlock.version():
        landlock.confine(readable=_FONTS, executable=())
    try:
        if operation == "describe":
            described = heic.facts(heic.opened(sys.stdin.buffer)) if loader == Loader.HEIC else describe()
            sys.stdout.write(json.dumps(described))
        else:
            _write(loader, *arguments)
    except (pyvips.Error, *heic.ERRORS) as error:
        sys.stderr.write(f"{error}\n")
        return UNREADABLE
    return 0


def _write(loader: str, width: str, frame: str) -> None:
    by_heic = loader == Loader.HEIC
    jpeg, luma = render_heic(int(width)) if by_heic else render(int(width), skip_black=frame == "skipBlack")
    sys.stderr.write(f"luma={luma:.2f}\n")
    sys.stdout.buffer.write(jpeg)


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2], sys.argv[3:])
    sys.stdout.flush()
    # The interpreter and libvips would tidy up for some milliseconds.
    os._exit(code)
