"""Short film, made by ffmpeg of the prober image: an ffmpeg that writes one can read one."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT, DURATION_MS = 128, 72, 2000
_TIMEOUT_S = 20
_MAKE = (
    *("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi"),
    *("-i", f"testsrc=size={WIDTH}x{HEIGHT}:rate=12:duration={DURATION_MS / 1000:g}"),
    *("-c:v", "mpeg4", "-threads", "1", "-movflags", "+faststart"),
)


@dataclass(frozen=True)
class Tools:
    """Findings in the prober image: versions of the tools, or the reason why there is no film."""

    ffmpeg: str = ""
    ffprobe: str = ""
    error: str = ""


def make(directory: Path) -> Tools:
    """Write the film and the findings on the tools into the directory; never fails, since a check reports it."""
    try:
        tools = Tools(ffmpeg=_version("ffmpeg"), ffprobe=_version("ffprobe"))
        _run((*_MAKE, str(directory / "film.mp4")))
    except (OSError, subprocess.SubprocessError) as error:
        tools = Tools(error=_last_line(error))
    (directory / "tools.json").write_text(json.dumps(asdict(tools)))
    return tools


def read_tools(directory: Path) -> Tools:
    """Return the findings that `make` wrote."""
    try:
        return Tools(**json.loads((directory / "tools.json").read_text()))
    except (OSError, TypeError, ValueError):
        return Tools(error="the container that makes the test film left no file")


def read_film(directory: Path) -> bytes:
    """Return the film; OSError if there is none."""
    return (directory / "film.mp4").read_bytes()


def _version(tool: str) -> str:
    found = re.match(rf"{tool} version (\S+)", _run((tool, "-version")))
    return found[1] if found else "of an unknown version"


def _run(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603 - ours
    return done.stdout


def _last_line(error: Exception) -> str:
    stderr = getattr(error, "stderr", None)
    last = stderr.strip().splitlines()[-1:] if isinstance(stderr, str) else []
    return last[0] if last else str(error)
