"""Reads one picture with libvips, in a fork of the prober that ends with it; libvips is loaded before.

The picture is standard input. All loaders but one are blocked, and every path is given up before the first byte is
read: a file that takes libvips over finds nothing to open and nobody to talk to.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyvips

from mediaimport_prober import heic, landlock
from mediaimport_prober.pictures import Loader

if TYPE_CHECKING:
    from collections.abc import Callable

_STDIN, _STDOUT, _STDERR = 0, 1, 2
"""Descriptors instead of Python's streams: these belong to the process that was forked."""
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


def allow_only(loader: Loader) -> None:
    """Block every loader but one, and what libvips itself calls untrusted; let it use one thread."""
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    if loader is Loader.HEIC:
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
        picture = _opaque(_thumbnail(header, width, f"[page={page}]"))
    return _encoded(picture)


def render_heic(width: int) -> tuple[bytes, float]:
    """Return the same of an HEIC."""
    picture = heic.opened(_file())
    _check_pixels(*picture.size)
    return _encoded(_opaque(_resized(heic.decoded(picture), width)))


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise pyvips.Error(TOO_MANY_PIXELS)


def _encoded(picture: pyvips.Image) -> tuple[bytes, float]:
    return picture.jpegsave_buffer(Q=_QUALITY, keep="none", optimize_coding=True), _luma(picture).avg()


def _resized(image: pyvips.Image, width: int) -> pyvips.Image:
    """Return a picture that is in memory already, in sRGB, never enlarged."""
    return image.thumbnail_image(width, height=width * MAX_HEIGHT_TO_WIDTH, size="down", **_to_srgb(image))


def _to_srgb(image: pyvips.Image) -> dict[str, str]:
    """Return the option that converts a picture to sRGB; none for one that is sRGB, where it costs 0.1 µs a pixel."""
    converted = image.interpretation == "srgb" and not _has_profile(image)
    return {} if converted else {"output_profile": "srgb"}


def _has_profile(image: pyvips.Image) -> bool:
    return "icc-profile-data" in image.get_fields()


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
    return pyvips.Source.new_from_descriptor(_STDIN)


def _header() -> pyvips.Image:
    return pyvips.Image.new_from_source(_source(), "")


def _field(image: pyvips.Image, name: str, default: Any) -> Any:  # noqa: ANN401 - libvips' fields have any type
    return image.get(name) if name in image.get_fields() else default


def _frames(header: pyvips.Image) -> int:
    """Return the number of frames; pages that have no time are none."""
    return int(_field(header, "n-pages", 1)) if "delay" in header.get_fields() else 1


def _small(header: pyvips.Image, width: int) -> pyvips.Image:
    # Without a profile libvips takes a printer's; browsers take the inks for the complements of the screen's colours.
    plain = header.interpretation == "cmyk" and not _has_profile(header)
    return _of_plain_inks(header, width) if plain else _thumbnail(header, width)


def _thumbnail(header: pyvips.Image, width: int, options: str = "") -> pyvips.Image:
    """Return the picture upright, in sRGB, never enlarged."""
    return pyvips.Image.thumbnail_source(
        _source(), width, option_string=options, height=width * MAX_HEIGHT_TO_WIDTH, size="down", **_to_srgb(header)
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


def _file() -> IO[bytes]:
    return os.fdopen(_STDIN, "rb", closefd=False)


def write_description(loader: Loader) -> int:
    """Write the facts of the picture to standard output as JSON; return UNREADABLE if the library cannot read it."""

    def write() -> None:
        facts = heic.facts(heic.opened(_file())) if loader is Loader.HEIC else describe()
        _write(_STDOUT, json.dumps(facts).encode())

    return _confined(loader, write)


def write_thumbnail(loader: Loader, width: int, *, skip_black: bool) -> int:
    """Write a JPEG to standard output and its brightness to standard error; return UNREADABLE as above."""

    def write() -> None:
        jpeg, luma = render_heic(width) if loader is Loader.HEIC else render(width, skip_black=skip_black)
        _write(_STDERR, f"luma={luma:.2f}\n".encode())
        _write(_STDOUT, jpeg)

    return _confined(loader, write)


def _confined(loader: Loader, work: Callable[[], None]) -> int:
    allow_only(loader)
    if landlock.version():
        landlock.confine(readable=_FONTS, executable=())
    try:
        work()
    except (pyvips.Error, *heic.ERRORS) as error:
        _write(_STDERR, f"{error}\n".encode(errors="replace"))
        return UNREADABLE
    return 0


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb", closefd=False) as stream:
        stream.write(data)
