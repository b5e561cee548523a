"""Pictures made with libvips: their colours are known, and red, green and blue tell how they are turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyvips

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Colour = tuple[int, int, int]
RED, GREEN, BLUE, WHITE = (220, 0, 0), (0, 160, 0), (0, 0, 220), (255, 255, 255)
WIDTH, HEIGHT = 320, 180
CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))
"""Top left, top right, bottom left, bottom right, as shares of width and height."""


def plain(colour: Sequence[int], width: int, height: int) -> pyvips.Image:
    """Return a picture of one colour in sRGB; a fourth number is its opacity."""
    bands = pyvips.Image.black(width, height, bands=len(colour)).linear(1, list(colour)).cast("uchar")
    return bands.copy(interpretation="srgb")


def flag() -> pyvips.Image:
    """Return a picture that is green at its top left, red at its bottom left, and blue at its right."""
    left = plain(GREEN, WIDTH // 2, HEIGHT // 2).join(plain(RED, WIDTH // 2, HEIGHT // 2), "vertical")
    return left.join(plain(BLUE, WIDTH // 2, HEIGHT), "horizontal")


def half_transparent() -> pyvips.Image:
    """Return a picture whose left is red and whose right is transparent black."""
    return plain((*RED, 255), WIDTH // 2, HEIGHT).join(plain((0, 0, 0, 0), WIDTH // 2, HEIGHT), "horizontal")


def oriented(picture: pyvips.Image, orientation: int) -> pyvips.Image:
    """Return the picture with that orientation of EXIF: viewers turn it."""
    marked = picture.copy()
    marked.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return marked


def upright(picture: pyvips.Image) -> pyvips.Image:
    """Return what a viewer shows."""
    return picture.autorot()


def animation(frames: Sequence[pyvips.Image], delays_ms: Sequence[int]) -> pyvips.Image:
    """Return the frames as the pages of an animation."""
    moving = pyvips.Image.arrayjoin(list(frames), across=1).copy()
    moving.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    moving.set_type(pyvips.GValue.array_int_type, "delay", list(delays_ms))
    return moving


def colours(jpeg: bytes, places: Sequence[tuple[float, float]] = CORNERS) -> list[Colour]:
    """Return the colours of a thumbnail at these places; it has to be in sRGB already."""
    picture = pyvips.Image.jpegload_buffer(jpeg)
    assert "icc-profile-data" not in picture.get_fields()
    return [_colour(picture, place) for place in places]


def near(one: Sequence[int], other: Sequence[int], *, within: int = 12) -> bool:
    """Tell whether two colours look the same."""
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))


def _colour(picture: pyvips.Image, place: tuple[float, float]) -> Colour:
    red, green, blue = picture.getpoint(int(place[0] * picture.width), int(place[1] * picture.height))[:3]
    return round(red), round(green), round(blue)


@dataclass(frozen=True)
class PictureStudio:
    """Writes pictures into a folder."""

    folder: Path

    def save(self, name: str, picture: pyvips.Image, **options: object) -> Path:
        """Return the file; the name's suffix is its format."""
        file = self.folder / name
        picture.write_to_file(str(file), **options)
        return file
