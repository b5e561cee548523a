"""HEIC for libvips, whose own libheif cannot decode HEVC: by the libheif and libde265 of pi-heif."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import pyvips

if TYPE_CHECKING:
    import pi_heif

ERRORS = (ValueError, RuntimeError, SyntaxError, EOFError)
"""Errors of pi-heif for a file that it cannot read."""


def load() -> Any:  # noqa: ANN401 - an untyped module
    """Return the library."""
    import pi_heif  # noqa: PLC0415 - it takes a while to load, and no other picture waits for it

    return pi_heif


def opened(file: IO[bytes]) -> pi_heif.HeifFile:
    """Return the main picture, upright and not decoded yet."""
    return load().open_heif(file, convert_hdr_to_8bit=True)


def facts(picture: pi_heif.HeifFile) -> dict[str, Any]:
    """Return the facts of a picture as libvips has them."""
    width, height = picture.size
    return {
        "width": width,
        "height": height,
        "bands": len(picture.mode),
        "depth": 8,
        "interpretation": "srgb",
        "hasAlpha": picture.has_alpha,
        "orientation": 1,
        "chroma": "",
        "frames": 1,
        "durationMs": 0,
    }


def decoded(picture: pi_heif.HeifFile) -> pyvips.Image:
    """Return the picture with its profile, all of it in memory."""
    (width, height), bands = picture.size, len(picture.mode)
    rows = pyvips.Image.new_from_memory(picture.data, picture.stride, height, 1, "uchar")
    image = rows.crop(0, 0, width * bands, height).bandfold(factor=bands).copy(interpretation="srgb")
    if picture.info.get("icc_profile"):
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.info["icc_profile"])
    return image
