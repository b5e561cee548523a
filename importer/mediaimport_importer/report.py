"""Report of an attempt: progress and warnings as JSON log lines, the end as the termination message."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

from mediaimport_api.reasons import MAX_MESSAGE
from mediaimport_api.result import LogLine, Result
from mediaimport_api.status import Progress, Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import TextIOBase

    from mediaimport_api.reasons import Reason

    from mediaimport_importer.errors import AttemptError

PROGRESS_EVERY_S = 1.0


@dataclass
class Report:
    """Writes log lines to a stream; threads may share it."""

    stream: TextIO | TextIOBase
    now: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _step: Step = field(default=Step.CONNECT, init=False)
    _seq: int = field(default=0, init=False)
    _reported_at: float = field(default=float("-inf"), init=False)
    _reported_bytes: int = field(default=0, init=False)

    def say(
        self, message: str, *, level: Literal["info", "warning", "error"] = "info", reason: Reason | None = None
    ) -> None:
        """Write a message."""
        self._write(level=level, msg=message[:1024], reason=reason)

    def waits(self, message: str) -> None:
        """Write what the current step waits for; the status shows it."""
        self._write(
            level="warning", msg=message[:1024], progress=Progress(step=self._step, message=message[:MAX_MESSAGE])
        )

    def step(self, step: Step, message: str) -> None:
        """Write the start of a step."""
        self._step = step
        self._write(level="info", msg=message, step=step.value, progress=Progress(step=step))

    def download(self, bytes_done: int, bytes_total: int | None) -> None:
        """Write the download's progress, at most once a second and at its end."""
        now = self.now()
        if now - self._reported_at < PROGRESS_EVERY_S and bytes_done != bytes_total:
            return
        rate = (bytes_done - self._reported_bytes) / (now - self._reported_at)
        self._reported_at, self._reported_bytes = now, bytes_done
        percent = min(100, bytes_done * 100 // bytes_total) if bytes_total else None
        self._write(
            level="info",
            msg=f"downloaded {_mib(bytes_done)}" + (f" of {_mib(bytes_total)}" if bytes_total else ""),
            bytes_per_second=int(rate),
            progress=Progress(step=Step.DOWNLOAD, percent=percent, bytes_done=bytes_done, bytes_total=bytes_total),
        )

    def _write(self, **fields: Any) -> None:  # noqa: ANN401 - LogLine checks them
        with self._lock:
            line = LogLine(ts=_timestamp(), seq=self._seq, **fields)
            self._seq += 1
            self.stream.write(json.dumps(line.to_wire(), ensure_ascii=True) + "\n")
            self.stream.flush()


def _timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:.1f} MiB"


def failure(error: AttemptError) -> Result:
    """Return the result of an attempt that failed with this error."""
    return Result(
        reason=error.reason,
        message=error.public_message,
        http_status=error.http_status,
        retry_after_seconds=error.retry_after_s,
    )
