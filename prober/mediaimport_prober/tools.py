"""Responses to requests, by libvips, ffprobe or ffmpeg on a file of the scratch directory."""

from __future__ import annotations

import errno
import json
import re
import stat
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mediaimport_api.spec import ThumbnailFrame

from mediaimport_prober import commands, pictures, sandbox
from mediaimport_prober.corrections import corrected
from mediaimport_prober.memory import Budget, NoRoomError
from mediaimport_prober.packets import PacketSums
from mediaimport_prober.protocol import (
    MAX_PAYLOAD_BYTES,
    Failure,
    PacketsRequest,
    Request,
    Response,
    ThumbnailRequest,
)
from mediaimport_prober.sandbox import Ending, Limits, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mediaimport_prober.commands import ToneMap
    from mediaimport_prober.pictures import Loader

_LUMA = re.compile(rb"(?:lavfi\.signalstats\.YAVG|^luma)=([0-9.]{1,12})", re.MULTILINE)
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
# From ffmpeg 7.1 on, a playlist without its suffix is passed over before the whitelist sees it.
_REFUSALS = (b"not on whitelist", b"Not detecting m3u8/hls")
ANSWER_S = 70.0
"""Time for all tools of one request and for their memory, times its patience; the importer waits a little longer."""
_WORTH_ANOTHER_TOOL = frozenset({Failure.TOOL_FAILED, Failure.NOT_ALLOWED})
_BELIEVED = frozenset({None, Failure.NO_TIME})
"""Answers of a second tool that count more than the failure of the first: it has succeeded, or may yet."""
PACKETS_BYTES = 64 * 1024 * 1024
"""Enough for 20 MB of lines, two hours at 60 frames and 47 audio packets a second; only sums are kept."""


@dataclass(frozen=True)
class Tools:
    """libvips, ffprobe and ffmpeg on the plain files of one directory."""

    directory: Path
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    search_path: str = sandbox.SEARCH_PATH
    """Folders of ffprobe and ffmpeg."""

    def answer(self, request: Request) -> tuple[Response, bytes]:
        """Return the response and its payload.

        A tool gets one part of the memory; where that was too little, it runs again, alone, with the whole.
        """
        file = self.directory / request.file
        if not _is_plain(file):
            return Response(
                failure=Failure.NO_FILE, message=f"{request.file} is not a plain file of the scratch directory"
            ), b""
        deadline = time.monotonic() + ANSWER_S * request.patience
        *first, whole = self.budget.sizes
        for parts in first:
            response, payload, short = self._within(parts, file, request, deadline)
            if not short:
                return response, payload
        response, payload, _ = self._within(whole, file, request, deadline)
        return response, payload

    def _within(self, parts: int, file: Path, request: Request, deadline: float) -> tuple[Response, bytes, bool]:
        """Return the response within that many parts of the memory, and whether more might help."""
        try:
            with self.budget.room(parts, deadline=deadline) as room_bytes:
                limits = replace(self.limits, timeout_s=self.limits.timeout_s * request.patience)
                tool = _Tool(file, limits.within(room_bytes), deadline, self.search_path)
                response, payload = tool.answer(request)
        except (MemoryError, NoRoomError):
            return _out_of_memory(parts * self.budget.part_bytes), b"", True
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return _out_of_memory(parts * self.budget.part_bytes), b"", True
        # Not every allocation that fails is reported as such: some libraries crash.
        return response, payload, tool.crashed or response.failure is Failure.OUT_OF_MEMORY


@dataclass
class _Tool:
    """One try of a request."""

    file: Path
    limits: Limits
    deadline: float
    search_path: str
    crashed: bool = False

    def answer(self, request: Request) -> tuple[Response, bytes]:
        if isinstance(request, ThumbnailRequest):
            return self._thumbnail(request)
        if isinstance(request, PacketsRequest):
            return self._packets(request), b""
        return self._probe(), b""

    def _run(
        self,
        command: Sequence[str],
        *,
        stdout_bytes: int | None = None,
        on_stdout: Callable[[bytes], None] | None = None,
    ) -> Run:
        limits = self._limits(stdout_bytes)
        return self._noted(sandbox.run(command, limits, on_stdout=on_stdout, search_path=self.search_path))

    def _limits(self, stdout_bytes: int | None) -> Limits:
        """Return the limits for one of several runs within the time that is left."""
        left_s = max(0.0, self.deadline - time.monotonic())
        return replace(
            self.limits,
            stdout_bytes=stdout_bytes or self.limits.stdout_bytes,
            timeout_s=min(self.limits.timeout_s, left_s),
        )

    def _noted(self, ran: Run) -> Run:
        self.crashed = self.crashed or (ran.ending is Ending.EXITED and ran.exit_code < 0)
        return ran

    def _probe(self) -> Response:
        """Return the description by libvips or, of what it does not read, by ffprobe; by both if each knows a part."""
        picture = pictures.detect(self._head())
        if picture is None:
            return self._ffprobe()
        ran = self._vips(partial(_describe_picture, picture.loader))
        failure = _failure(ran, self.limits)
        if failure is not None:
            worth_another = failure.failure in _WORTH_ANOTHER_TOOL and not picture.tiled
            other = self._ffprobe() if worth_another else failure
            return other if other.failure in _BELIEVED else failure
        facts = _json(ran.stdout)
        if not picture.partial:
            return Response(document=pictures.document(facts, picture))
        probed = self._ffprobe()
        if probed.failure is Failure.NO_TIME:
            return probed
        return Response(document=pictures.merged(probed.document or {}, facts, picture))

    def _head(self) -> bytes:
        with self.file.open("rb") as opened:
            return opened.read(pictures.HEAD_BYTES)

    def _vips(self, read: Callable[[], int], *, stdout_bytes: int | None = None) -> Run:
        with self.file.open("rb") as opened:
            return self._noted(sandbox.fork(read, self._limits(stdout_bytes), stdin=opened.fileno()))

    def _ffprobe(self) -> Response:
        ran = self._run(commands.probe(self.file))
        failure = _failure(ran, self.limits)
        if failure is not None:
            return failure
        document = _json(ran.stdout)
        if ran.out_of_memory and not _is_whole(document):
            return _out_of_memory(self.limits.memory_bytes)
        if str(document.get("format", {}).get("format_name")).endswith("_pipe"):
            framed = self._run(commands.first_frame(self.file))
            if framed.ending is Ending.STARVED:
                return _starved(framed)
            document["frames"] = _json(framed.stdout).get("frames", [])[:1]
        return Response(document=corrected(document))

    def _packets(self, request: PacketsRequest) -> Response:
        sums = PacketSums()
        ran = self._run(commands.packets(self.file, request), stdout_bytes=PACKETS_BYTES, on_stdout=sums.add)
        return _failure(ran, self.limits) or Response(document=sums.document)

    def _thumbnail(self, request: ThumbnailRequest) -> tuple[Response, bytes]:
        """Return the JPEG by libvips or, of what it does not read or tone-map, by ffmpeg."""
        tone_maps = commands.TONE_MAPS if request.tone_map else (None,)
        ways = [partial(self._rendered_by_ffmpeg, request, each) for each in tone_maps]
        picture = pictures.detect(self._head())
        if picture is not None:
            by_vips = partial(self._rendered_by_vips, request, picture.loader)
            ways = [by_vips] if picture.tiled else [*ways[:-1], by_vips, ways[-1]]
        return self._first_rendered(ways)

    def _first_rendered(self, ways: Sequence[Callable[[], Run]]) -> tuple[Response, bytes]:
        """Return the first picture that one of these ways renders, or the first way's failure."""
        first = self._rendered(ways[0]())
        answer = first
        for way in ways[1:]:
            if answer[0].failure not in _WORTH_ANOTHER_TOOL:
                break
            answer = self._rendered(way())
        return answer if answer[0].failure in _BELIEVED else first

    def _rendered_by_vips(self, request: ThumbnailRequest, loader: Loader) -> Run:
        return self._vips(partial(_render_picture, loader, request), stdout_bytes=MAX_PAYLOAD_BYTES)

    def _rendered_by_ffmpeg(self, request: ThumbnailRequest, tone_map: ToneMap | None) -> Run:
        command = commands.thumbnail(
            self.file, request, tone_map=tone_map, decoder=commands.alpha_decoder(self._head())
        )
        return self._run(command, stdout_bytes=MAX_PAYLOAD_BYTES)

    def _rendered(self, ran: Run) -> tuple[Response, bytes]:
        failure = _failure(ran, self.limits)
        if failure is not None:
            return failure, b""
        if not (ran.stdout.startswith(_JPEG_START) and ran.stdout.endswith(_JPEG_END)):
            if ran.out_of_memory:
                return _out_of_memory(self.limits.memory_bytes), b""
            return Response(failure=Failure.TOOL_FAILED, message="the tool rendered no picture"), b""
        luma = _LUMA.search(ran.stderr)
        return Response(luma=float(luma[1]) if luma else None, payload_bytes=len(ran.stdout)), ran.stdout


# The server has loaded libvips. Where it could not, or in a process that is no server, the fork tries it.
def _describe_picture(loader: Loader) -> int:
    from mediaimport_prober import vips  # noqa: PLC0415 - see above

    return vips.write_description(loader)


def _render_picture(loader: Loader, request: ThumbnailRequest) -> int:
    from mediaimport_prober import vips  # noqa: PLC0415 - see above

    skip_black = request.frame is ThumbnailFrame.SKIP_BLACK
    return vips.write_thumbnail(loader, request.width_pixels, skip_black=skip_black)


def _out_of_memory(memory_bytes: int) -> Response:
    message = f"the tool needs more memory than {memory_bytes // 1024**2} MiB"
    return Response(failure=Failure.OUT_OF_MEMORY, message=message)


def _starved(ran: Run) -> Response:
    message = f"the node gave the tool no more than {ran.cpu_s:.1f} s of CPU time in its time by the clock"
    return Response(failure=Failure.NO_TIME, message=message)


def _is_whole(document: dict[str, Any]) -> bool:
    """Tell whether there is a stream, and the size of every picture."""
    streams = document.get("streams")
    if not isinstance(streams, list) or not streams:
        return False
    return all(each.get("width") for each in streams if isinstance(each, dict) and each.get("codec_type") == "video")


def _is_plain(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except OSError:
        return False


def _failure(ran: Run, limits: Limits) -> Response | None:
    if ran.ending is not Ending.EXITED:
        return _ended(ran, limits)
    if b"exceeds specified max pixel count" in ran.stderr:
        return _too_many_pixels()
    if any(each in ran.stderr for each in _REFUSALS):
        return Response(failure=Failure.NOT_ALLOWED, message=_refused_codec(ran.stderr))
    if ran.exit_code == 0:
        return None
    return _out_of_memory(limits.memory_bytes) if ran.out_of_memory else _tool_failed(ran)


def _ended(ran: Run, limits: Limits) -> Response:
    """Return the response of a tool that met a limit."""
    if ran.ending is Ending.STARVED:
        return _starved(ran)
    if ran.ending is Ending.TOO_LONG:
        return Response(failure=Failure.TOO_LONG, message=f"the tool exceeded its {limits.cpu_s} s of CPU time")
    return Response(failure=Failure.TOO_MUCH, message="the tool exceeded its output limit")


def _tool_failed(ran: Run) -> Response:
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
