"""The prober's server, which loads libvips once, before the first request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober.protocol import Failure

from tests.support.picture_studio import RED, plain
from tests.support.running_prober import running_prober

if TYPE_CHECKING:
    from tests.support.media_studio import Studio
    from tests.support.picture_studio import PictureStudio
    from tests.support.running_prober import RunningProber


def of_server(prober: RunningProber, name: str) -> Path:
    return Path("/proc", str(prober.process.pid), name)


def test_server_has_libvips_and_one_thread(prober: RunningProber, pictures: PictureStudio) -> None:
    """A fork has the libraries that its parent has loaded, and loses the parent's threads with the locks they hold."""
    for _ in range(2):
        described, shown, _ = prober.ask(pictures.save("plain.jpg", plain(RED, 640, 480)))

        assert (described.failure, shown.failure) == (None, None)
        assert "libvips" in of_server(prober, "maps").read_text()
        assert len(list(of_server(prober, "task").iterdir())) == 1


WITHOUT_LIBVIPS = """
import sys
from mediaimport_prober.__main__ import main

class Broken:
    def find_spec(self, name, *_):
        if name == "pyvips":
            raise {error}("no libvips")

sys.meta_path.insert(0, Broken())
sys.exit(main())
"""


@pytest.mark.parametrize("error", ["ImportError", "Exception"])
def test_server_without_libvips_serves_by_ffmpeg(tmp_path: Path, studio: Studio, error: str) -> None:
    photograph = studio.make("photograph.jpg", "-f", "lavfi", "-i", "testsrc2=s=640x480", "-frames:v", "1")
    drawing = tmp_path / "drawing.svg"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>')

    with running_prober(tmp_path, program=("-c", WITHOUT_LIBVIPS.format(error=error))) as prober:
        described, shown, jpeg = prober.ask(photograph)
        drawn, _, _ = prober.ask(drawing)

        assert prober.process.stdout is not None
        warning = json.loads(prober.process.stdout.readline())
    assert (warning["level"], warning["msg"]) == ("warning", "libvips cannot be loaded")
    assert (described.failure, shown.failure, bool(jpeg)) == (None, None, True)
    assert drawn.failure is Failure.TOOL_FAILED
    assert f"{error}: no libvips" in drawn.message
