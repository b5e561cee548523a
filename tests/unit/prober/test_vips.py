"""Still pictures through the prober's socket, by the real libvips: what they are, and how their thumbnails look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.spec import ThumbnailFrame
from mediaimport_importer.media.thumbnail import jpeg_size

from tests.support.heif_grid import Tile, grid_of
from tests.support.picture_studio import (
    BLUE,
    CORNERS,
    GREEN,
    HEIGHT,
    RED,
    WHITE,
    WIDTH,
    animation,
    colours,
    flag,
    half_transparent,
    near,
    oriented,
    plain,
    upright,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyvips

    from tests.support.media_studio import Studio
    from tests.support.picture_studio import Colour, PictureStudio
    from tests.support.running_prober import RunningProber

LOSSLESS: dict[str, dict[str, Any]] = {
    "jpg": {"Q": 95, "subsample_mode": "off"},
    "png": {},
    "webp": {"lossless": True},
    "tiff": {},
    "avif": {"Q": 90, "effort": 0, "subsample_mode": "off"},
}
PLACES = CORNERS
UPRIGHT_CORNERS = [GREEN, BLUE, RED, BLUE]


def stream(prober: RunningProber, file: Path) -> dict[str, Any]:
    document = prober.ask(file)[0].document
    assert document is not None
    first: dict[str, Any] = document["streams"][0]
    return first


def has_alpha(prober: RunningProber, file: Path) -> bool | None:
    video = prober.inspect(file).media.video
    assert video is not None
    return video.has_alpha


def assert_shows(jpeg: bytes, expected: list[Colour], *, within: int = 12) -> None:
    shown = colours(jpeg)
    assert all(near(one, other, within=within) for one, other in zip(shown, expected, strict=True)), shown


@pytest.mark.parametrize("extension", LOSSLESS)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.trap(
    "the eight orientations of EXIF, and of HEIF's irot and imir",
    "jpg, png, webp, tiff, avif",
    "size and thumbnail upright",
)
def test_picture_is_described_and_shown_upright(
    prober: RunningProber, pictures: PictureStudio, extension: str, orientation: int
) -> None:
    marked = oriented(flag(), orientation)
    seen = upright(marked)
    file = pictures.save(f"turned.{extension}", marked, **LOSSLESS[extension])

    described, _, jpeg = prober.ask(file)

    assert described.document is not None
    first = described.document["streams"][0]
    turned = sum(abs(each["rotation"]) for each in first.get("side_data_list", [])) % 180 == 90
    size = (first["height"], first["width"]) if turned else (first["width"], first["height"])
    assert size == jpeg_size(jpeg) == (seen.width, seen.height)
    corners = [tuple(map(round, seen.getpoint(x * seen.width, y * seen.height))) for x, y in PLACES]
    assert_shows(jpeg, corners)


@pytest.mark.parametrize(
    ("orientation", "clockwise"), [(1, 0), (2, 0), (3, 180), (4, 0), (5, 270), (6, 90), (7, 90), (8, 270)]
)
def test_rotation_is_told_without_the_mirroring(
    prober: RunningProber, pictures: PictureStudio, orientation: int, clockwise: int
) -> None:
    video = prober.inspect(pictures.save("turned.jpg", oriented(flag(), orientation))).media.video

    assert video is not None
    assert (video.rotation, video.coded_width, video.coded_height) == (clockwise, WIDTH, HEIGHT)


def _profiled(profile: str) -> pyvips.Image:
    return flag().icc_transform(profile, input_profile="srgb", intent="relative")


COLOURS: dict[str, tuple[Any, dict[str, Any], int]] = {
    # file: a function that makes the picture, how it is saved, and the tolerance
    "display-p3.jpg": (lambda: _profiled("p3"), LOSSLESS["jpg"], 12),
    "display-p3.png": (lambda: _profiled("p3"), {}, 12),
    "16-bit.png": (lambda: flag().colourspace("rgb16"), {}, 12),
    "16-bit.tiff": (lambda: flag().colourspace("rgb16"), {}, 12),
    "scrgb.tiff": (lambda: flag().colourspace("scrgb"), {}, 12),
    "lab.tiff": (lambda: flag().colourspace("lab"), {}, 12),
    "palette.png": (flag, {"palette": True, "dither": 0}, 12),
    "palette.gif": (flag, {"dither": 0}, 12),
    "lossy.webp": (flag, {"Q": 90}, 24),
    "chroma-4-2-0.jpg": (flag, {"Q": 90, "subsample_mode": "on"}, 24),
    "interlaced.png": (flag, {"interlace": True}, 12),
    "progressive.jpg": (flag, {"Q": 95, "interlace": True}, 12),
}


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.trap(
    "profiles and depths: Display P3, 16 bit, Lab, palette", "jpg, png, webp, tiff, gif", "a thumbnail in sRGB"
)
def test_thumbnail_has_the_colours_of_srgb(prober: RunningProber, pictures: PictureStudio, name: str) -> None:
    make, options, within = COLOURS[name]

    _, _, jpeg = prober.ask(pictures.save(name, make(), **options))

    assert_shows(jpeg, UPRIGHT_CORNERS, within=within)


@pytest.mark.trap("CMYK with a profile", "jpg", "its colours by the profile; no alpha")
def test_cmyk_with_a_profile_is_shown_by_it(prober: RunningProber, pictures: PictureStudio) -> None:
    inks = _profiled("cmyk")
    expected = [
        tuple(map(round, inks.icc_transform("srgb").getpoint(*at)))
        for at in ((32, 18), (288, 18), (32, 162), (288, 162))
    ]
    file = pictures.save("cmyk.jpg", inks, **LOSSLESS["jpg"])

    assert_shows(prober.ask(file)[2], expected, within=20)
    assert has_alpha(prober, file) is False


@pytest.mark.trap("CMYK without a profile", "jpg", "inks as browsers show them; no alpha")
def test_cmyk_without_a_profile_is_shown_as_browsers_do(prober: RunningProber, pictures: PictureStudio) -> None:
    paper = plain((0, 0, 0, 0), WIDTH, HEIGHT).copy(interpretation="cmyk")
    red, black = plain((0, 255, 255, 0), 160, 90), plain((0, 0, 0, 255), 160, 90)
    inks = paper.insert(red, 0, 0).insert(black, 160, 90).copy(interpretation="cmyk")
    file = pictures.save("cmyk.jpg", inks, Q=95, keep="none")

    assert_shows(prober.ask(file)[2], [(255, 0, 0), WHITE, WHITE, (0, 0, 0)])
    assert has_alpha(prober, file) is False


ALPHA: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "half.png": (half_transparent, {}, True),
    "half.webp": (half_transparent, {"lossless": True}, True),
    "half-lossy.webp": (half_transparent, {"Q": 90}, True),
    "half.avif": (half_transparent, {"effort": 0}, True),
    "half.gif": (half_transparent, {}, True),
    "half.tiff": (half_transparent, {}, True),
    "half-palette.png": (half_transparent, {"palette": True}, True),
    "grey.png": (lambda: plain((90,), WIDTH, HEIGHT).bandjoin(0).copy(interpretation="b-w"), {}, True),
    "opaque.png": (flag, {}, False),
    "opaque.webp": (flag, {"lossless": True}, False),
    "opaque-channel.webp": (lambda: flag().bandjoin(255), {"lossless": True}, False),
    "opaque-channel.png": (lambda: flag().bandjoin(255), {}, False),
    "opaque.avif": (flag, {"effort": 0}, False),
    "opaque.gif": (flag, {}, False),
    "opaque-palette.png": (flag, {"palette": True}, False),
    "opaque-animation.gif": (lambda: animation([flag(), flag().flip("horizontal")], [100, 300]), {}, False),
    "one-bit.png": (lambda: plain((255,), 64, 64).copy(interpretation="b-w"), {"bitdepth": 1}, False),
}


@pytest.mark.parametrize("name", ALPHA)
@pytest.mark.trap(
    "alpha: lossless WebP without, palettes with and without, grey with, an auxiliary image of AVIF",
    "png, webp, avif, gif, tiff",
    "`hasAlpha` is true if a pixel is transparent; the thumbnail is on white",
)
def test_alpha_is_told_where_a_pixel_is_transparent(prober: RunningProber, pictures: PictureStudio, name: str) -> None:
    make, options, expected = ALPHA[name]
    file = pictures.save(name, make(), **options)

    assert has_alpha(prober, file) is expected
    if name.startswith("half"):
        assert_shows(prober.ask(file)[2], [RED, WHITE, RED, WHITE], within=24)


@pytest.mark.parametrize("extension", ["gif", "webp"])
@pytest.mark.trap(
    "animations", "gif, webp", "frames, duration and rate by libvips; the thumbnail shows the first frame"
)
def test_frames_and_duration_are_those_of_the_animation(
    prober: RunningProber, pictures: PictureStudio, extension: str
) -> None:
    frames = [flag(), plain(RED, WIDTH, HEIGHT), plain(BLUE, WIDTH, HEIGHT)]
    file = pictures.save(f"moving.{extension}", animation(frames, [100, 300, 400]))

    described, _, jpeg = prober.ask(file)

    assert described.document is not None
    first = described.document["streams"][0]
    assert (first["width"], first["height"], first["nb_frames"], first["avg_frame_rate"]) == (320, 180, "3", "15/4")
    assert described.document["format"]["duration"] == "0.800"
    assert_shows(jpeg, UPRIGHT_CORNERS, within=40)


def test_still_picture_has_one_frame(prober: RunningProber, pictures: PictureStudio) -> None:
    """The importer would otherwise count packets, by another run of ffprobe."""
    assert stream(prober, pictures.save("plain.png", flag()))["nb_frames"] == "1"


@pytest.mark.parametrize("extension", ["gif", "webp"])
def test_skip_black_finds_a_later_frame_of_an_animation(
    prober: RunningProber, pictures: PictureStudio, extension: str
) -> None:
    black = plain((0, 0, 0), WIDTH, HEIGHT)
    file = pictures.save(f"dark.{extension}", animation([black, black, plain(RED, WIDTH, HEIGHT)], [100, 100, 100]))

    first, skipped = prober.ask(file), prober.ask(file, frame=ThumbnailFrame.SKIP_BLACK)

    assert_shows(first[2], [(0, 0, 0)] * 4)
    assert first[1].luma == pytest.approx(0, abs=1)
    assert_shows(skipped[2], [RED] * 4, within=24)


@pytest.mark.trap("a gain map", "jpg (Ultra HDR)", "described and shown by its base picture")
def test_gain_map_is_left_out(prober: RunningProber, pictures: PictureStudio) -> None:
    file = pictures.folder / "gain-map.jpg"
    flag().colourspace("scrgb").uhdrsave(str(file))
    import pyvips  # noqa: PLC0415

    base = pyvips.Image.jpegload(str(file)).thumbnail_image(WIDTH, output_profile="srgb")

    described, _, jpeg = prober.ask(file)

    assert described.document is not None
    assert (described.document["streams"][0]["width"], described.document["streams"][0]["codec_name"]) == (320, "mjpeg")
    assert_shows(jpeg, [tuple(map(round, base.getpoint(x * WIDTH, y * HEIGHT))) for x, y in PLACES])


SHADES = (RED, GREEN, BLUE, (220, 220, 0))


@pytest.mark.trap("a grid of tiles", "avif", "one picture of the whole size")
def test_grid_is_one_picture(prober: RunningProber, pictures: PictureStudio) -> None:
    options = LOSSLESS["avif"] | {"compression": "av1", "keep": "none"}
    tiles = [Tile.of_avif(plain(shade, 256, 256).heifsave_buffer(**options)) for shade in SHADES]
    file = pictures.folder / "grid.avif"
    file.write_bytes(grid_of(tiles, columns=2, rows=2))

    inspected = prober.inspect(file)

    assert (inspected.media.width, inspected.media.height) == (512, 512)
    assert_shows(prober.ask(file)[2], list(SHADES))


@pytest.mark.parametrize(("quarters", "order"), [(0, (0, 1, 2, 3)), (1, (1, 3, 0, 2)), (3, (2, 0, 3, 1))])
@pytest.mark.trap("a photograph of a phone: HEVC in tiles, turned by irot", "heic", "size and thumbnail upright")
def test_heic_is_one_picture_upright(
    prober: RunningProber, studio: Studio, pictures: PictureStudio, quarters: int, order: tuple[int, ...]
) -> None:
    tiles = [
        Tile.of_hevc(
            studio.make(
                f"tile-{bytes(shade).hex()}.mp4", "-f", "lavfi", "-i",
                f"color=0x{bytes(shade).hex()}:s=256x128:d=1:r=1,format=gbrp",
                "-vf", "scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p", "-color_range", "pc",
                "-colorspace", "smpte170m", "-frames:v", "1", "-c:v", "libx265", "-tag:v", "hvc1", "-preset",
                "ultrafast", "-x265-params", "log-level=none:info=0",
            ).read_bytes(),
            (256, 128),
        )
        for shade in SHADES
    ]  # fmt: skip
    file = pictures.folder / "grid.heic"
    file.write_bytes(grid_of(tiles, columns=2, rows=2, quarters=quarters))

    described, _, jpeg = prober.ask(file)

    assert described.document is not None
    first = described.document["streams"][0]
    assert (first["codec_name"], first["width"], first["height"]) == ("hevc", 512, 256)
    assert jpeg_size(jpeg) == ((320, 160) if quarters == 0 else (256, 512))
    assert [each.get("rotation") for each in first.get("side_data_list", [])] == (
        [90 * quarters - 360] if quarters else []
    )
    assert_shows(jpeg, [SHADES[each] for each in order], within=24)


@pytest.mark.trap("a drawing with text", "svg", "image, with its size and a thumbnail")
def test_drawing_is_shown_with_its_text(prober: RunningProber, pictures: PictureStudio) -> None:
    file = pictures.folder / "drawing.svg"
    file.write_text(
        '<?xml version="1.0"?>\n<!-- hand-made --><svg xmlns="http://www.w3.org/2000/svg" width="640" height="320">'
        '<rect width="320" height="320" fill="#dc0000"/><text x="330" y="200" font-size="150">WW</text></svg>'
    )

    described, _, jpeg = prober.ask(file)

    assert described.document is not None
    first = described.document["streams"][0]
    assert (first["codec_name"], first["width"], first["height"]) == ("svg", 640, 320)
    assert jpeg_size(jpeg) == (320, 160)
    assert near(colours(jpeg, [(0.25, 0.5)])[0], RED, within=24)
    letters = colours(jpeg, [(x / 100, 0.55) for x in range(52, 99)])
    assert min(sum(each) for each in letters) < 200, "there is no font"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2001), (2001, 1), (64, 6400), (5000, 10)])
def test_thumbnail_of_an_odd_size_is_whole(
    prober: RunningProber, pictures: PictureStudio, width: int, height: int
) -> None:
    for extension in ("png", "jpg", "webp"):
        file = pictures.save(f"odd.{extension}", plain(RED, width, height))

        described, _, jpeg = prober.ask(file)

        assert described.document is not None
        first = described.document["streams"][0]
        assert (first["width"], first["height"]) == (width, height)
        factor = min(1, 320 / width, 1280 / height)
        assert jpeg_size(jpeg) == (max(1, round(factor * width)), max(1, round(factor * height)))


@pytest.mark.trap("an ending that is missing, or that is not the end", "jpg", "described and shown whole")
@pytest.mark.parametrize("ending", ["without EOI", "zeros behind", "a video behind"])
def test_ending_of_a_jpeg_does_not_matter(prober: RunningProber, pictures: PictureStudio, ending: str) -> None:
    whole = pictures.save("whole.jpg", flag(), **LOSSLESS["jpg"]).read_bytes()
    endings = {
        "without EOI": whole[:-2],
        "zeros behind": whole + bytes(100_000),
        "a video behind": whole + b"\0\0\0\x18ftypmp42" * 99,
    }
    file = pictures.folder / "ending.jpg"
    file.write_bytes(endings[ending])

    _, _, jpeg = prober.ask(file)

    assert_shows(jpeg, UPRIGHT_CORNERS)
