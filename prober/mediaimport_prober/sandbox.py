"""Runs one tool on one hostile file: bounded in memory, time, output and reach."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024 * 1024
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "MALLOC_ARENA_MAX": "1"}
"""No variable of ours reaches a tool; one malloc arena, since each reserves address space."""


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    clock_s: float = 30.0
    cpu_s: int = 30
    address_space_bytes: int = 1536 * MIB
    stdout_bytes: int = 512 * 1024
    stderr_bytes: int = 64 * 1024


class Ending(Enum):
    """How a run ended."""

    EXITED = auto()
    TOO_LONG = auto()
    TOO_MUCH = auto()


@dataclass(frozen=True)
class Run:
    """The outcome: `exit_code` is negative for a signal. stderr is cut at its limit, stdout is never cut silently."""

    ending: Ending
    exit_code: int
    stdout: bytes
    stderr: bytes


def run(command: Sequence[str], limits: Limits, *, stdin: int = subprocess.DEVNULL) -> Run:
    """Run the command to its end, or end it. Call from a process with one thread: it forks."""
    process = subprocess.Popen(  # noqa: S603 - no shell; the command is fixed but for a checked file name
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
        preexec_fn=lambda: confine(limits),  # noqa: PLW1509 - the caller has one thread
    )
    try:
        ending, stdout, stderr = _Capture(process, limits).collect()
    finally:
        _end(process)
    return Run(ending, process.returncode, stdout, stderr)


def confine(limits: Limits) -> None:
    """Limit this process and all that it starts."""
    for what, most in (
        (resource.RLIMIT_AS, limits.address_space_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


@dataclass
class _Capture:
    process: subprocess.Popen[bytes]
    limits: Limits
    _taken: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})

    def collect(self) -> tuple[Ending, bytes, bytes]:
        """Read both streams until the process is over, within clock and limits."""
        deadline = time.monotonic() + self.limits.clock_s
        with selectors.DefaultSelector() as selector:
            for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, name)
            ending = self._read(selector, deadline)
        if ending is Ending.EXITED:
            ending = self._wait(deadline)
        return ending, bytes(self._taken["stdout"]), bytes(self._taken["stderr"])

    def _read(self, selector: selectors.BaseSelector, deadline: float) -> Ending:
        while selector.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return Ending.TOO_LONG
            for key, _ in selector.select(left_s):
                stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                data = os.read(stream.fileno(), 65536)
                if not data:
                    selector.unregister(stream)
                elif not self._take(key.data, data):
                    return Ending.TOO_MUCH
        return Ending.EXITED

    def _take(self, name: str, data: bytes) -> bool:
        """Keep it; stderr beyond its limit is dropped, stdout beyond its limit is the end."""
        taken = self._taken[name]
        if name == "stderr":
            taken += data[: self.limits.stderr_bytes - len(taken)]
            return True
        taken += data
        return len(taken) <= self.limits.stdout_bytes

    def _wait(self, deadline: float) -> Ending:
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return Ending.TOO_LONG
        return Ending.EXITED
