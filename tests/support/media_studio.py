"""Media files made with ffmpeg."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TEST_VIDEO = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=2")
TONE = ("-f", "lavfi", "-i", "sine=d=2")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str, stdin: bytes = b"") -> bytes:
    """Return what ffmpeg writes to its standard output."""
    command = [shutil.which("ffmpeg") or "ffmpeg", "-v", "error", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def pixels(jpeg: bytes, width: int, height: int) -> bytes:
    """Return the picture scaled to so many RGB pixels."""
    scaled = ("-vf", f"scale={width}:{height}", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
    return ffmpeg("-f", "jpeg_pipe", "-i", "pipe:0", *scaled, stdin=jpeg)


@dataclass
class Studio:
    """Makes small media files with ffmpeg, each once. Several processes may work in one folder."""

    folder: Path

    def make(self, name: str, *arguments: str) -> Path:
        """Return the file that ffmpeg makes of the arguments."""
        folder = self.folder / hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:16]
        file = folder / name
        if not file.exists():
            folder.mkdir(exist_ok=True)
            unfinished = folder / f"{uuid4().hex}-{name}"
            command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, str(unfinished)]
            subprocess.run(command, check=True, capture_output=True)
            unfinished.rename(file)
        return file

    def video(self, name: str = "plain.mp4", *, seconds: int = 2) -> Path:
        """Return an H.264 video with sound, 320 by 180, 24 frames a second."""
        return self.make(
            name, "-f", "lavfi", "-i", f"testsrc2=s=320x180:r=24:d={seconds}", "-f", "lavfi", "-i",
            f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
            "-movflags", "+faststart",
        )  # fmt: skip

    def image(self, name: str = "plain.png", *, size: str = "320x180") -> Path:
        """Return a still image."""
        return self.make(name, "-f", "lavfi", "-i", f"testsrc2=s={size}:d=1", "-frames:v", "1")

    def audio(self, name: str = "plain.mp3") -> Path:
        """Return a sound of two seconds."""
        return self.make(name, "-f", "lavfi", "-i", "sine=d=2")


def session_studio(factory: pytest.TempPathFactory) -> Studio:
    """Return the studio of a test run: one for all of its processes, if there are several (pytest-xdist)."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "studio"
    folder.mkdir(exist_ok=True)
    return open_studio(folder)


def open_studio(folder: Path) -> Studio:
    """Return a studio in that folder; the test fails without ffmpeg."""
    if shutil.which("ffmpeg") is None:
        pytest.fail("ffmpeg is not installed: apt-get install ffmpeg")
    return Studio(folder)
