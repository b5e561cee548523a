"""Thumbnails: previews of a growing file, and the picture that real media files get."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn, cast

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType, ThumbnailFrame
from mediaimport_importer.errors import AttemptError, InterruptedAttemptError
from mediaimport_importer.media.classify import classify
from mediaimport_importer.media.formats import MP4
from mediaimport_importer.media.inspection import Subject, inspect
from mediaimport_importer.media.thumbnail import PREVIEW_BYTES, Previewer, jpeg_size, render
from mediaimport_prober.protocol import ThumbnailRequest

from tests.support.media_studio import H264, pixels

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_importer.media.streams import Inspection
    from mediaimport_importer.prober import Prober

    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber


class Interrupted:
    """A prober during whose answer SIGTERM arrives."""

    def ask(self, _request: object) -> NoReturn:
        raise InterruptedAttemptError


def test_interruption_is_not_taken_for_a_failed_thumbnail() -> None:
    with pytest.raises(InterruptedAttemptError):
        render(cast("Prober", Interrupted()), ThumbnailRequest(file="file", width_pixels=320))


HEAVY = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=24:d=8", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "25M",
         "-x264-params", "nal-hrd=cbr:filler=1:vbv-maxrate=25000:vbv-bufsize=25000")  # fmt: skip


def started(prober: RunningProber, file: Path) -> ThumbnailRequest:
    """Return a request for a file of which no more than the first 16 MiB are there."""
    name = prober.add(file)
    with (prober.scratch / name).open("r+b") as opened:
        opened.truncate(PREVIEW_BYTES)
    return ThumbnailRequest(file=name, width_pixels=320)


def previewed(prober: RunningProber, request: ThumbnailRequest) -> Previewer:
    previewer = Previewer(prober.client)
    previewer.expect(request, "mp4")
    previewer.on_progress(PREVIEW_BYTES)
    deadline = time.monotonic() + 30
    while not previewer.done:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return previewer


def test_preview_has_the_thumbnail_and_the_duration_of_the_whole_file(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("index-first.mp4", *HEAVY, "-movflags", "+faststart")
    request, whole = started(prober, file), ThumbnailRequest(file=prober.add(file), width_pixels=320)

    previewer = previewed(prober, request)
    (prober.scratch / request.file).write_bytes(b"")

    assert previewer.thumbnail(request).jpeg == render(prober.client, whole).jpeg
    assert previewer.duration_ms == 8000


def test_file_with_its_index_at_the_end_is_rendered_once_it_is_complete(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("index-last.mp4", *HEAVY)
    request = started(prober, file)
    previewer = previewed(prober, request)
    (prober.scratch / request.file).write_bytes(file.read_bytes())

    assert previewer.duration_ms is None
    assert previewer.thumbnail(request).reason is Reason.THUMBNAIL_STORED


@pytest.mark.parametrize(("extension", "size_bytes"), [("mp4", PREVIEW_BYTES - 1), ("jpg", PREVIEW_BYTES)])
def test_no_preview_of_a_short_beginning_or_a_format_without_an_index(
    prober: RunningProber, extension: str, size_bytes: int
) -> None:
    previewer = Previewer(prober.client)

    previewer.expect(ThumbnailRequest(file="nowhere", width_pixels=320), extension)
    previewer.on_progress(size_bytes)

    assert previewer.duration_ms is None
    assert previewer.thumbnail(ThumbnailRequest(file="nowhere", width_pixels=320)).reason is Reason.THUMBNAIL_FAILED


@pytest.mark.parametrize("provisional_ms", [None, 8000, 3000, 900_000])
def test_provisional_duration_changes_no_result(
    prober: RunningProber, studio: Studio, tmp_path: Path, provisional_ms: int | None
) -> None:
    file = studio.make("index-first.mp4", *HEAVY, "-movflags", "+faststart")
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    def inspected(path: Path) -> Inspection:
        size = path.stat().st_size
        name = prober.add(path)
        subject = Subject(name, MP4, MediaType.AUTO, size_bytes=size, proven=False, provisional_ms=provisional_ms)
        return inspect(prober.client, subject)

    assert classify(file.read_bytes()[:64]) == MP4
    assert inspected(file).media.duration_ms == 8000
    with pytest.raises(AttemptError) as caught:
        inspected(cut)
    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("size", "expected"), [("64x6400", (13, 1280)), ("32x32", (32, 32)), ("2x2", (2, 2)), ("1920x1080", (320, 180))]
)
@pytest.mark.trap("very tall, very small and large pictures", "png", "never enlarged, at most 320 wide and 1280 high")
def test_thumbnail_is_never_enlarged_and_its_height_is_limited(
    prober: RunningProber, studio: Studio, size: str, expected: tuple[int, int]
) -> None:
    file = studio.make(f"size-{size}.png", "-f", "lavfi", "-i", f"testsrc=s={size}:d=1", "-frames:v", "1")

    assert jpeg_size(prober.thumbnail(file).jpeg) == expected


BLACK_THEN_RED = ("-f", "lavfi", "-i", "color=black:s=160x90:r=24:d=1", "-f", "lavfi", "-i",
                  "color=red:s=160x90:r=24:d=1", "-filter_complex", "concat", *H264)  # fmt: skip


@pytest.mark.trap("black first frame", "mp4", "the thumbnail shows the first frame, with the warning `BlackFirstFrame`")
def test_first_frame_stays_first_though_it_is_black(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("black-start.mp4", *BLACK_THEN_RED)

    thumbnail = prober.thumbnail(file)

    assert max(pixels(thumbnail.jpeg, 1, 1)) < 20
    assert thumbnail.luma is not None
    assert thumbnail.luma < 8


@pytest.mark.trap("black first frame, `frame: skipBlack`", "mp4", "the first frame that is not black")
def test_skip_black_finds_a_later_frame(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("black-start.mp4", *BLACK_THEN_RED)

    thumbnail = prober.thumbnail(file, frame=ThumbnailFrame.SKIP_BLACK)

    assert pixels(thumbnail.jpeg, 1, 1)[0] > 150


@pytest.mark.trap("only black frames, `frame: skipBlack`", "mp4", "the first frame")
def test_skip_black_falls_back_to_the_first_frame(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("black.mp4", "-f", "lavfi", "-i", "color=black:s=160x90:d=1", *H264)

    thumbnail = prober.thumbnail(file, frame=ThumbnailFrame.SKIP_BLACK)

    assert jpeg_size(thumbnail.jpeg) == (160, 90)


@pytest.mark.parametrize("codec", [("-lossless", "1"), ("-lossless", "0")], ids=["VP8L", "ALPH and VP8"])
@pytest.mark.trap(
    "a first frame smaller than the canvas, transparent", "webp (animated)", "drawn at its offset on the canvas"
)
def test_first_frame_of_animated_webp_is_drawn_at_its_offset(
    prober: RunningProber, studio: Studio, tmp_path: Path, codec: tuple[str, str]
) -> None:
    still = studio.make(
        f"patch{codec[1]}.webp", "-f", "lavfi", "-i", "color=red@0.9:s=40x40,format=rgba", "-frames:v", "1", "-c:v",
        "libwebp", *codec,
    ).read_bytes()  # fmt: skip
    (tmp_path / "patch.webp").write_bytes(animated(still, canvas=(100, 80), at=(20, 10), size=(40, 40)))

    found, thumbnail = prober.inspect(tmp_path / "patch.webp"), prober.thumbnail(tmp_path / "patch.webp")

    assert found.media.video is not None
    assert (found.media.width, found.media.height, found.media.video.has_alpha) == (100, 80, True)
    assert jpeg_size(thumbnail.jpeg) == (100, 80)
    grid = pixels(thumbnail.jpeg, 10, 8)
    inside, outside = grid[(3 * 10 + 4) * 3 :][:3], grid[:3]
    assert inside[0] > 180
    assert inside[2] < 100
    assert min(outside) > 240


def animated(still: bytes, *, canvas: tuple[int, int], at: tuple[int, int], size: tuple[int, int]) -> bytes:
    """Return an animated WebP of one frame, twice."""

    def three(number: int) -> bytes:
        return number.to_bytes(3, "little")

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1)

    body = still[12:]
    if body.startswith(b"VP8X"):
        body = body[18:]
    place = b"".join(three(number) for number in (at[0] // 2, at[1] // 2, size[0] - 1, size[1] - 1, 500))
    header = bytes([0x12, 0, 0, 0]) + three(canvas[0] - 1) + three(canvas[1] - 1)
    chunks = chunk(b"VP8X", header) + chunk(b"ANIM", bytes(6)) + 2 * chunk(b"ANMF", place + b"\0" + body)
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks
