"""The importer's log, made safe: lines, progress worth telling, a tail for people. It never decides an outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api.result import MAX_LOG_LINE_BYTES, LogLine
from mediaimport_runtime.kubernetes.objects import moment
from mediaimport_runtime.text import public
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from mediaimport_api.status import Progress, Step

MAX_TAIL_LINE = 300


@dataclass
class Splitter:
    """Cuts a stream of bytes into lines; one that is too long is dropped, whatever its length."""

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
    """Return the importer's line, None if it is none."""
    try:
        return LogLine.model_validate_json(line)
    except ValidationError:
        return None


def readable(line: bytes) -> str:
    """Return a line for people: `error message` of one of ours, any other as it stands, made safe."""
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


@dataclass
class Stopwatch:
    """Times the importer's steps by its own clock."""

    _step: Step | None = None
    _since: datetime | None = None

    def read(self, line: LogLine) -> tuple[Step, float] | None:
        """Return the step that this line ends, and how many seconds it took."""
        step = line.progress.step if line.progress else None
        if line.reason is None and step in {None, self._step}:
            return None
        now, before, since = moment(line.ts), self._step, self._since
        self._step, self._since = step, now
        return None if before is None or since is None or now is None else (before, (now - since).total_seconds())


@dataclass
class Gauge:
    """Passes on progress that is news: another step or at least one percent more, and not too often."""

    interval_s: float
    latest: Progress | None = None
    _told: Progress | None = None
    _told_at: float = field(default=float("-inf"))
    _seq: int = -1

    def read(self, line: bytes) -> LogLine | None:
        """Take a line in and return it; one that was seen before a reconnection, or is none, is passed over."""
        parsed = parse(line)
        if parsed is None or parsed.seq <= self._seq:
            return None
        self._seq = parsed.seq
        self.latest = parsed.progress or self.latest
        return parsed

    def news(self, now_s: float) -> Progress | None:
        """Return progress that is worth a status write now."""
        if self.latest is None or now_s < self._told_at + self.interval_s or not self._differs(self.latest):
            return None
        self._told, self._told_at = self.latest, now_s
        return self.latest

    def _differs(self, progress: Progress) -> bool:
        told = self._told
        if told is None or told.step is not progress.step:
            return True
        if progress.percent is not None:
            return progress.percent != told.percent
        before, done = told.bytes_done or 0, progress.bytes_done or 0
        return done - before >= max(before // 100, 1)
