"""Log followers: one task for each running import reads the importer's log and reports the progress.

At most MAX_STREAMS logs are streamed at a time; of the others the tail is polled, so that a thousand imports cost no
more. A log line never decides an outcome. Lines are split, bounded and cleaned first: hostile media may have shaped
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api.result import MAX_LOG_LINE_BYTES, LogLine
from mediaimport_api.status import MAX_LOG_TAIL, Progress, Step
from mediaimport_api.task import IMPORTER_CONTAINER
from mediaimport_runtime.kubernetes.errors import KubernetesError, NotFoundError, named_wait_s
from mediaimport_runtime.kubernetes.objects import moment
from mediaimport_runtime.text import public
from pydantic import ValidationError

from mediaimport_operator.progress.budget import WriteBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from mediaimport_operator.cluster import Cluster

PROGRESS_INTERVAL_S = 2.0
MAX_TAIL_LINE = 300
MAX_STREAMS = 50
MAX_POLLS = 4
"""Tails that are polled at once: with more imports each waits longer for its turn."""
LOG_TIMEOUT_S = 5.0
"""Of a tail: the kubelet that has it may be gone."""
_RECONNECT_S = 1.0
_POLL_S = 5.0
_TAIL_LINES = 20
_TAIL_BYTES = 32 * 1024

log = logging.getLogger(__name__)


# --- lines ---


@dataclass
class LineSplitter:
    """Splits a stream of bytes into lines; a line that is too long is dropped, whatever its length."""

    _rest: bytes = b""
    _dropping: bool = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that the piece completes."""
        *whole, rest = (self._rest + piece).split(b"\n")
        for line in whole:
            if not self._dropping and 0 < len(line) <= MAX_LOG_LINE_BYTES:
                yield line
            self._dropping = False
        if len(rest) > MAX_LOG_LINE_BYTES:
            rest, self._dropping = b"", True
        self._rest = rest


def parse(line: bytes) -> LogLine | None:
    """Return the importer's log line; None if the bytes are something else."""
    try:
        return LogLine.model_validate_json(line)
    except ValidationError:
        return None


def readable(line: bytes) -> str:
    """Return a line for people: level and message of the importer's own lines, others cleaned."""
    parsed = parse(line)
    text = f"{parsed.level} {parsed.msg}" if parsed else line.decode(errors="replace")
    return public(text, MAX_TAIL_LINE)


def tail(lines: Iterable[bytes], *, limit: int) -> str | None:
    """Return as many of the last lines as fit into `limit` characters; None if there are none."""
    chosen: list[str] = []
    left = limit
    for text in reversed([text for line in lines if (text := readable(line))]):
        left -= len(text) + 1
        if left < 0:
            break
        chosen.append(text)
    return "\n".join(reversed(chosen)) or None


# --- progress ---


@dataclass
class StepTimer:
    """Measures the importer's steps by the importer's own clock."""

    _step: Step | None = None
    _since: datetime | None = None

    def reset(self) -> None:
        """Forget the step: lines have been missed, perhaps its end."""
        self._step = self._since = None

    def read(self, line: LogLine) -> tuple[Step, float] | None:
        """Return the step that this line ends, with its duration in seconds."""
        step = line.progress.step if line.progress else None
        if line.reason is None and step in {None, self._step}:
            return None
        now, before, since = moment(line.ts), self._step, self._since
        self._step, self._since = step, now
        return None if before is None or since is None or now is None else (before, (now - since).total_seconds())


@dataclass
class ProgressThrottle:
    """Throttles progress for the status: another step or at least one percent more, once in `interval_s`."""

    interval_s: float
    latest: Progress | None = None
    _reported: Progress | None = None
    _reported_at: float = field(default=float("-inf"))
    _seq: int = -1
    missed: bool = False
    """True if there were lines between the last line read and the one before it."""

    def read(self, line: bytes) -> LogLine | None:
        """Read a line and return it; None for lines that repeat after a reconnection, and for foreign ones."""
        parsed = parse(line)
        if parsed is None or parsed.seq <= self._seq:
            return None
        self.missed = parsed.seq > self._seq + 1 and self._seq >= 0
        self._seq = parsed.seq
        self.latest = parsed.progress or self.latest
        return parsed

    def due(self, now_s: float, budget: WriteBudget | None = None) -> Progress | None:
        """Return the progress if it is worth a status write now, and fits into the budget of all imports."""
        if self.latest is None or now_s < self._reported_at + self.interval_s or not self._differs(self.latest):
            return None
        if budget is not None and not budget.take(now_s):
            return None
        self._reported, self._reported_at = self.latest, now_s
        return self.latest

    def _differs(self, progress: Progress) -> bool:
        reported = self._reported
        if reported is None or (reported.step, reported.message) != (progress.step, progress.message):
            return True
        if progress.percent is not None:
            return progress.percent != reported.percent
        before, done = reported.bytes_done or 0, progress.bytes_done or 0
        return done - before >= max(before // 100, 1)


# --- followers ---


@dataclass(eq=False)
class _LogFollower:
    """The state of one followed log."""

    namespace: str
    pod: str
    throttle: ProgressThrottle = field(default_factory=lambda: ProgressThrottle(interval_s=PROGRESS_INTERVAL_S))
    lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    timer: StepTimer = field(default_factory=StepTimer)
    progress: Progress | None = None
    task: asyncio.Task[None] | None = None


class LogFollowers:
    """Followers by import.

    `on_progress` gets the key of an import with new progress, `on_step` a step and its duration in seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        on_progress: Callable[[str], None],
        on_step: Callable[[str, float], None],
        max_streams: int = MAX_STREAMS,
    ) -> None:
        """Take a cluster of its own: streams occupy a connection each, which nothing else may wait for."""
        self._cluster = cluster
        self._streams = asyncio.Semaphore(max_streams)
        self._polls = asyncio.Semaphore(MAX_POLLS)
        self._on_progress = on_progress
        self._on_step = on_step
        self._followers: dict[str, _LogFollower] = {}
        self._budget = WriteBudget()

    def follow(self, key: str, *, namespace: str, pod: str) -> None:
        """Follow that pod's log for the import, instead of any other's."""
        current = self._followers.get(key)
        if current is not None and current.pod == pod:
            return
        self.unfollow(key)
        follower = _LogFollower(namespace, pod)
        follower.task = asyncio.create_task(self._run(key, follower), name=f"log of {pod}")
        self._followers[key] = follower

    def unfollow(self, key: str) -> None:
        """Stop to follow a log for the import."""
        follower = self._followers.pop(key, None)
        if follower is not None and follower.task is not None:
            follower.task.cancel()

    def progress(self, key: str) -> Progress | None:
        """Return the import's progress, as last reported by its follower."""
        follower = self._followers.get(key)
        return follower.progress if follower else None

    async def tail(self, key: str, *, namespace: str, pod: str) -> str | None:
        """Return the log's last lines for people: from the API, or the followed ones if the pod is gone."""
        try:
            raw = await self._read_tail(namespace, pod)
        except KubernetesError as error:
            log.info("log tail not read", extra={"pod": pod, "error": str(error)})
            follower = self._followers.get(key)
            return tail(follower.lines, limit=MAX_LOG_TAIL) if follower and follower.pod == pod else None
        return tail(raw.splitlines(), limit=MAX_LOG_TAIL)

    async def close(self) -> None:
        """Stop all followers."""
        tasks = [each.task for each in self._followers.values() if each.task is not None]
        self._followers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, follower: _LogFollower) -> None:
        """Read until the pod is gone or the task is cancelled: the importer may outlive the end of a stream."""
        while True:
            try:
                wait_s = await self._read(key, follower)
            except NotFoundError:
                return
            except KubernetesError as error:
                log.debug("log not read", extra={"pod": follower.pod, "error": str(error)})
                wait_s = max(_RECONNECT_S, named_wait_s(error))
            await asyncio.sleep(wait_s)

    async def _read(self, key: str, follower: _LogFollower) -> float:
        """Read a log to the end of its stream, or its tail while no stream is free; return the wait before the next."""
        if self._streams.locked():
            async with self._polls:
                self._read_lines(key, follower, (await self._read_tail(follower.namespace, follower.pod)).splitlines())
            return _POLL_S
        async with self._streams:
            splitter = LineSplitter()
            async for piece in self._cluster.follow_log(follower.namespace, follower.pod, container=IMPORTER_CONTAINER):
                self._read_lines(key, follower, splitter.feed(piece))
        return _RECONNECT_S

    async def _read_tail(self, namespace: str, pod: str) -> bytes:
        return await self._cluster.log_tail(
            namespace, pod, container=IMPORTER_CONTAINER, lines=_TAIL_LINES, limit_bytes=_TAIL_BYTES
        )

    def _read_lines(self, key: str, follower: _LogFollower, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._read_line(follower, line)
        progress = follower.throttle.due(asyncio.get_running_loop().time(), self._budget)
        if progress is not None:
            follower.progress = progress
            self._on_progress(key)

    def _read_line(self, follower: _LogFollower, line: bytes) -> None:
        follower.lines.append(line)
        parsed = follower.throttle.read(line)
        if parsed is None:
            return
        if follower.throttle.missed:
            follower.timer.reset()
        if (ended := follower.timer.read(parsed)) is not None:
            self._on_step(*ended)
