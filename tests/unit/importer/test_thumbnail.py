"""What the beginning of a file tells, and what only the whole file can."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType
from mediaimport_importer import inspection
from mediaimport_importer.classify import MP4, classify
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.thumbnail import ENOUGH_BYTES, Previewer
from mediaimport_prober.protocol import ThumbnailRequest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.importer.conftest import RunningProber, Studio

HEAVY = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=24:d=8", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "25M",
         "-x264-params", "nal-hrd=cbr:filler=1:vbv-maxrate=25000:vbv-bufsize=25000")  # fmt: skip


def begun(prober: RunningProber, file: Path) -> ThumbnailRequest:
    """Return a request for a file of which no more than the first 16 MiB are there."""
    name = prober.take(file)
    with (prober.scratch / name).open("r+b") as opened:
        opened.truncate(ENOUGH_BYTES)
    return ThumbnailRequest(file=name, width_pixels=320)


def looked(prober: RunningProber, request: ThumbnailRequest) -> Previewer:
    previewer = Previewer(prober.client)
    previewer.expect(request, "mp4")
    previewer.advanced(ENOUGH_BYTES)
    deadline = time.monotonic() + 30
    while not previewer.looked:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return previewer


def test_beginning_shows_the_thumbnail_and_the_duration_of_the_whole(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("index-first.mp4", *HEAVY, "-movflags", "+faststart")
    request, whole = begun(prober, file), ThumbnailRequest(file=prober.take(file), width_pixels=320)

    previewer = looked(prober, request)
    (prober.scratch / request.file).write_bytes(b"")

    assert previewer.shot(request).jpeg == inspection.shoot(prober.client, whole).jpeg
    assert previewer.duration_ms == 8000


def test_file_with_its_index_at_the_end_is_shown_once_it_is_whole(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("index-last.mp4", *HEAVY)
    request = begun(prober, file)
    previewer = looked(prober, request)
    (prober.scratch / request.file).write_bytes(file.read_bytes())

    assert previewer.duration_ms is None
    assert previewer.shot(request).reason is Reason.THUMBNAIL_STORED


@pytest.mark.parametrize(("extension", "size_bytes"), [("mp4", ENOUGH_BYTES - 1), ("jpg", ENOUGH_BYTES)])
def test_too_little_or_what_tells_nothing_before_its_end_is_not_looked_at(
    prober: RunningProber, extension: str, size_bytes: int
) -> None:
    previewer = Previewer(prober.client)

    previewer.expect(ThumbnailRequest(file="nowhere", width_pixels=320), extension)
    previewer.advanced(size_bytes)

    assert previewer.duration_ms is None
    assert previewer.shot(ThumbnailRequest(file="nowhere", width_pixels=320)).reason is Reason.THUMBNAIL_FAILED


@pytest.mark.parametrize("guessed_ms", [None, 8000, 3000, 900_000])
def test_guess_of_the_duration_changes_nothing(
    prober: RunningProber, studio: Studio, tmp_path: Path, guessed_ms: int | None
) -> None:
    file = studio.make("index-first.mp4", *HEAVY, "-movflags", "+faststart")
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    def inspected(path: Path) -> inspection.Inspection:
        size = path.stat().st_size
        name = prober.take(path)
        return inspection.inspect(
            prober.client, name, MP4, asked=MediaType.AUTO, size_bytes=size, guessed_ms=guessed_ms
        )

    assert classify(file.read_bytes()[:64]) == MP4
    assert inspected(file).media.duration_ms == 8000
    with pytest.raises(AttemptError) as caught:
        inspected(cut)
    assert caught.value.reason is Reason.TRUNCATED
