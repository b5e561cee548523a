"""Loaders of libvips: apart, since the program for one picture starts twice for each and imports little. Pure."""

from __future__ import annotations

from enum import StrEnum


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
