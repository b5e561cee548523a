"""Responses to requests, by ffprobe or ffmpeg on a file of the scratch directory."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mediaimport_prober import commands, sandbox
from mediaimport_prober.protocol import (
    MAX_PAYLOAD_BYTES,
    MAX_STREAMS,
    Failure,
    PacketsRequest,
    ProbeRequest,
    Request,
    Response,
    ThumbnailRequest,
)
from mediaimport_prober.sandbox import Ending, Limits, Run
from mediaimport_prober.webp import Animation, animation, first_still

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LUMA = re.compile(rb"lavfi\.signalstats\.YAVG=([0-9.]{1,12})")
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
# From ffmpeg 7.1 on, a playlist without its suffix is passed over before the whitelist sees it.
_REFUSALS = (b"not on whitelist", b"Not detecting m3u8/hls")
PACKETS_BYTES = 64 * 1024 * 1024
"""Enough for 20 MB of lines, two hours at 60 frames and 47 audio packets a second; only sums are kept."""


@dataclass(frozen=True)
class Tools:
    """ffprobe and ffmpeg on the plain files of one directory."""

    directory: Path
    limits: Limits = field(default_factory=Limits)

    def answer(self, request: Request) -> tuple[Response, bytes]:
        """Return the response and its payload."""
        file = self.directory / request.file
        if not _is_plain(file):
            return Response(
                failure=Failure.NO_FILE, message=f"{request.file} is not a plain file of the scratch directory"
            ), b""
        if isinstance(request, ThumbnailRequest):
            return self._thumbnail(file, request)
        if isinstance(request, PacketsRequest):
            return self._packets(file, request), b""
        return self._probe(file, request), b""

    def _run(self, command: Sequence[str], *, stdout_bytes: int | None = None, stdin: bytes = b"") -> Run:
        limits = self.limits
        if stdout_bytes is not None:
            limits = replace(limits, stdout_bytes=stdout_bytes)
        if not stdin:
            return sandbox.run(command, limits)
        with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
            file.write(stdin)
            file.seek(0)
            return sandbox.run(command, limits, stdin=file.fileno())

    def _probe(self, file: Path, _request: ProbeRequest) -> Response:
        ran = self._run(commands.probe(file))
        failure = _failure(ran)
        if failure is not None:
            return failure
        document = _json(ran.stdout)
        if str(document.get("format", {}).get("format_name")).endswith("_pipe"):
            document["frames"] = _json(self._run(commands.first_frame(file)).stdout).get("frames", [])[:1]
        with file.open("rb") as opened:
            return Response(document=_with_animation(document, animation(opened)))

    def _packets(self, file: Path, request: PacketsRequest) -> Response:
        ran = self._run(commands.packets(file, request), stdout_bytes=PACKETS_BYTES)
        return _failure(ran) or Response(document=_sums(ran.stdout))

    def _thumbnail(self, file: Path, request: ThumbnailRequest) -> tuple[Response, bytes]:
        with file.open("rb") as opened:
            still = first_still(opened)
        if still is not None and still.width * still.height > commands.MAX_PIXELS:
            return _too_many_pixels(), b""
        ran = self._run(
            commands.thumbnail(file, request, still),
            stdout_bytes=MAX_PAYLOAD_BYTES,
            stdin=still.webp if still is not None else b"",
        )
        failure = _failure(ran)
        if failure is not None:
            return failure, b""
        if not (ran.stdout.startswith(_JPEG_START) and ran.stdout.endswith(_JPEG_END)):
            return Response(failure=Failure.TOOL_FAILED, message="ffmpeg rendered no picture"), b""
        luma = _LUMA.search(ran.stderr)
        return Response(luma=float(luma[1]) if luma else None, payload_bytes=len(ran.stdout)), ran.stdout


def _with_animation(document: dict[str, Any], found: Animation | None) -> dict[str, Any]:
    """Add size, frames and duration of an animated WebP, which ffprobe cannot read."""
    if found is None or not document.get("streams"):
        return document
    first, *rest = document["streams"]
    seconds = f"{found.duration_ms / 1000:.3f}"
    rate = {"avg_frame_rate": f"{found.frames * 1000}/{found.duration_ms}"} if found.duration_ms else {}
    first |= {"width": found.width, "height": found.height, "nb_frames": str(found.frames)} | rate
    if found.alpha:
        first |= {"tags": {"alpha_mode": "1"}}
    return document | {"streams": [first, *rest], "format": document.get("format", {}) | {"duration": seconds}}


def _is_plain(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except OSError:
        return False


def _failure(ran: Run) -> Response | None:
    if ran.ending is Ending.TOO_LONG:
        return Response(failure=Failure.TOO_LONG, message="the tool exceeded its time limit")
    if ran.ending is Ending.TOO_MUCH:
        return Response(failure=Failure.TOO_MUCH, message="the tool exceeded its output limit")
    if b"exceeds specified max pixel count" in ran.stderr:
        return _too_many_pixels()
    if any(each in ran.stderr for each in _REFUSALS):
        return Response(failure=Failure.NOT_ALLOWED, message=_refused_codec(ran.stderr))
    if ran.exit_code == 0:
        return None
    ended = f"signal {-ran.exit_code}" if ran.exit_code < 0 else f"exit code {ran.exit_code}"
    return Response(failure=Failure.TOOL_FAILED, message=f"{last_line(ran.stderr)} ({ended})")


def _too_many_pixels() -> Response:
    return Response(failure=Failure.TOO_MANY_PIXELS, message=f"a picture has more than {commands.MAX_PIXELS} pixels")


def _refused_codec(stderr: bytes) -> str:
    """Return the name of the refused codec; ffmpeg does not name a refused container."""
    codec = re.search(rb"Codec \(([a-z0-9_]{1,64})\) not on whitelist", stderr)
    return codec[1].decode() if codec else "a container that is not on the whitelist"


def last_line(stderr: bytes) -> str:
    """Return the last line of a tool's stderr, without paths, printable and short."""
    lines = [line.strip() for line in stderr.decode("ascii", "replace").splitlines() if line.strip()]
    line = lines[-1] if lines else "no message"
    plain = "".join(char if char.isascii() and char.isprintable() else "?" for char in line)
    return re.sub(r"file:\S*/", "", plain)[:400]


def _json(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _sums(lines: bytes) -> dict[str, Any]:
    """Return for each stream the number of packets and the end of the last one in seconds."""
    streams: dict[str, dict[str, Any]] = {}
    for line in lines.splitlines():
        index, _, times = line.decode("ascii", "replace").partition(",")
        if not index.isdigit() or len(streams) >= MAX_STREAMS:
            continue
        stream = streams.setdefault(index, {"packets": 0, "endS": None})
        stream["packets"] += 1
        end_s = _end(times)
        if end_s is not None and (stream["endS"] is None or end_s > stream["endS"]):
            stream["endS"] = end_s
    return {"streams": streams}


def _end(times: str) -> float | None:
    start, _, length = times.partition(",")
    try:
        begun_s = float(start)
    except ValueError:
        return None
    try:
        return begun_s + float(length.strip(","))
    except ValueError:
        return begun_s
