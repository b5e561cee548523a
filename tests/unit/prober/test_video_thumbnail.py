"""Thumbnails of video by the real ffmpeg, in the colours that a screen shows."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.support.media_studio import H264
from tests.support.picture_studio import BLUE, GREEN, RED, WHITE, colours, flag, half_transparent, near

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.media_studio import Studio
    from tests.support.picture_studio import PictureStudio
    from tests.support.running_prober import RunningProber

SHADE = (196, 57, 55)
MATRICES = {"bt601": ("smpte170m", "smpte170m"), "bt709": ("bt709", "bt709"), "bt2020": ("bt2020nc", "bt2020-10")}


def of_a_shade(studio: Studio, matrix: str, colour_range: str) -> Path:
    """Return a video of one shade, tagged as it is coded."""
    space, transfer = MATRICES[matrix]
    return studio.make(
        f"{matrix}-{colour_range}.mp4",
        "-f", "lavfi", "-i", f"color=0x{bytes(SHADE).hex()}:s=320x180:d=0.4:r=10,format=gbrp",
        "-vf", f"scale=out_color_matrix={matrix}:out_range={colour_range},format=yuv420p", *H264,
        "-color_range", colour_range, "-colorspace", space, "-color_trc", transfer, "-color_primaries", "bt709",
    )  # fmt: skip


@pytest.mark.parametrize("colour_range", ["tv", "pc"])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.trap(
    "the matrix of BT.601, BT.709 or BT.2020, in limited or full range",
    "mp4",
    "the thumbnail has the colours of the film",
)
def test_thumbnail_has_the_colours_of_the_film(
    prober: RunningProber, studio: Studio, matrix: str, colour_range: str
) -> None:
    jpeg = prober.ask(of_a_shade(studio, matrix, colour_range))[2]

    assert near(colours(jpeg, [(0.5, 0.5)])[0], SHADE, within=5), colours(jpeg, [(0.5, 0.5)])


HDR = {
    "tagged": "colorprim=9:transfer=16:colormatrix=9",
    "transfer alone": "transfer=16",
    "without a matrix": "colorprim=9:transfer=16",
    "HLG alone": "transfer=18",
    "ICtCp": "colorprim=9:transfer=16:colormatrix=14",
    "RGB": "colorprim=9:transfer=16:colormatrix=0",
}


@pytest.mark.parametrize("name", HDR)
@pytest.mark.trap("HDR whose primaries or matrix are not tagged", "mp4 (HEVC)", "a thumbnail, by BT.2020 or flat")
def test_hdr_has_a_thumbnail_whatever_is_tagged(prober: RunningProber, studio: Studio, name: str) -> None:
    file = studio.make(
        f"hdr-{name.replace(' ', '-')}.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=0.3",
        "-pix_fmt", "gbrp10le" if name == "RGB" else "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast",
        "-x265-params", f"log-level=none:{HDR[name]}", "-tag:v", "hvc1",
    )  # fmt: skip

    _, shown, jpeg = prober.ask(file, tone_map=True)

    assert shown.failure is None, shown.message
    assert jpeg


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
@pytest.mark.trap("alpha of VP8 and VP9", "webm", "the thumbnail is on white")
def test_alpha_of_a_webm_is_shown_on_white(
    prober: RunningProber, studio: Studio, pictures: PictureStudio, codec: str
) -> None:
    picture = pictures.save("half.png", half_transparent())
    file = studio.make(
        f"{codec}-alpha.webm", "-loop", "1", "-t", "0.5", "-r", "10", "-i", str(picture), "-c:v", codec,
        "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-b:v", "500k",
    )  # fmt: skip

    left, right = colours(prober.ask(file)[2], [(0.2, 0.5), (0.8, 0.5)])

    assert near(left, RED, within=40)
    assert near(right, WHITE, within=20)


MIRRORED = {
    # matrix of the track, and: rotation, top left, top right
    "left to right": ((-65536, 0, 0, 0, 65536, 0, 320 << 16, 0, 1 << 30), 0, (BLUE, GREEN)),
    "upside down": ((65536, 0, 0, 0, -65536, 0, 0, 180 << 16, 1 << 30), 0, (RED, BLUE)),
    "turned by a half": ((-65536, 0, 0, 0, -65536, 0, 320 << 16, 180 << 16, 1 << 30), 180, (BLUE, RED)),
}


@pytest.mark.parametrize("name", MIRRORED)
@pytest.mark.trap("a mirrored display matrix, as front cameras write it", "mp4", "mirrored, not turned")
def test_mirrored_video_is_not_called_turned(
    prober: RunningProber, studio: Studio, pictures: PictureStudio, name: str
) -> None:
    matrix, rotation, top = MIRRORED[name]
    picture = pictures.save("flag.png", flag())
    body = bytearray(
        studio.make("flag.mp4", "-loop", "1", "-t", "0.4", "-r", "10", "-i", str(picture), *H264).read_bytes()
    )
    at = body.index(b"tkhd") + 44
    body[at : at + 36] = struct.pack(">9i", *matrix)
    file = pictures.folder / "mirrored.mp4"
    file.write_bytes(body)

    video = prober.inspect(file).media.video
    shown = colours(prober.ask(file)[2], [(0.1, 0.1), (0.9, 0.1)])

    assert video is not None
    assert video.rotation == rotation
    assert all(near(one, other, within=40) for one, other in zip(shown, top, strict=True)), shown


@pytest.mark.trap("a sequence next to a still", "avif", "frames and duration of the sequence")
def test_sequence_is_described_by_its_frames(prober: RunningProber, studio: Studio) -> None:
    file = studio.make(
        "moving.avif", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=5:d=1", "-c:v", "libaom-av1", "-cpu-used", "8",
        "-pix_fmt", "yuv420p",
    )  # fmt: skip

    described = prober.ask(file)[0].document

    assert described is not None
    assert described["streams"][0]["nb_frames"] == "5"
