"""Sandbox for one run of a tool on a hostile file: rlimits for memory and CPU time, a timeout, limited output."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import IO, TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MIB = 1024 * 1024
_MAPPED_BYTES = 640 * MIB
"""Address space next to the memory: the programs' code, which is read from files and takes no memory of its own."""
_CPU_GRACE_S = 1
"""From SIGXCPU to SIGKILL. Without it the kernel sends SIGKILL at once, as it does for want of memory."""
SEARCH_PATH = "/usr/bin:/bin"
ENVIRONMENT = {"LC_ALL": "C"}
"""The tools' environment, next to PATH and the number of malloc's arenas."""
# One arena, since each reserves address space. The number of mallopt's parameter is that of glibc's malloc.h.
_ARENAS = 1
_M_ARENA_MAX = -8
_MAX_DESCRIPTORS = 65536
"""Of a process that has no limit, a kernel without close_range would close millions one by one."""


@dataclass(frozen=True)
class Limits:
    """Limits of one run."""

    timeout_s: float = 60.0
    """By the clock: more than the CPU time, so that a tool meets this limit only on a node that is busy with others."""
    cpu_s: int = 30
    memory_bytes: int = 896 * MIB
    address_space_bytes: int = 896 * MIB + _MAPPED_BYTES
    stdout_bytes: int = 512 * 1024
    stderr_bytes: int = 64 * 1024

    def within(self, memory_bytes: int) -> Limits:
        """Return these limits with that much memory."""
        return replace(self, memory_bytes=memory_bytes, address_space_bytes=memory_bytes + _MAPPED_BYTES)


# ENOMEM, C++'s exception, the dynamic linker's words for a library that does not fit, a thread without a stack;
# Python's exception, GLib's, libvips', libheif's and libjpeg's words.
_OUT_OF_MEMORY = (
    b"Cannot allocate memory",
    b"std::bad_alloc",
    b"failed to map segment from shared object",
    b"cannot map zero-fill pages",
    b"Resource temporarily unavailable",
    b"MemoryError",
    b"failed to allocate",
    b"out of memory",
    b"allocation error",
    b"Insufficient memory",
)


class Ending(Enum):
    """The end of a run."""

    EXITED = auto()
    TOO_LONG = auto()
    """It has used its CPU time."""
    STARVED = auto()
    """The clock ended it before it had its CPU time: no fault of the file."""
    TOO_MUCH = auto()


@dataclass(frozen=True)
class Run:
    """The outcome: `exit_code` is negative for a signal. stderr is cut at its limit, stdout never."""

    ending: Ending
    exit_code: int
    stdout: bytes
    stderr: bytes
    cpu_s: float = 0.0

    @property
    def out_of_memory(self) -> bool:
        """Tell whether the tool failed for want of memory: the kernel killed it, or it says so."""
        if self.ending is not Ending.EXITED:
            return False
        return self.exit_code == -signal.SIGKILL or any(each in self.stderr for each in _OUT_OF_MEMORY)


def run(
    command: Sequence[str],
    limits: Limits,
    *,
    on_stdout: Callable[[bytes], None] | None = None,
    search_path: str = SEARCH_PATH,
) -> Run:
    """Run the command, and kill it at a limit. The process must have one thread, because this forks.

    `on_stdout` gets stdout piece by piece; it is not kept then.
    """
    environment = ENVIRONMENT | {"PATH": search_path, "MALLOC_ARENA_MAX": str(_ARENAS)}
    before_s = _cpu_of_children_s()
    process = _started(command, lambda: confine(limits), stdin=subprocess.DEVNULL, environment=environment)
    return _ended(process, limits, before_s, on_stdout)


def fork(work: Callable[[], int], limits: Limits, *, stdin: int = subprocess.DEVNULL) -> Run:
    """Run the function in a fork of this process, as `run` does a command: no program has to start and to load.

    The function has the descriptors 0, 1 and 2 alone, and returns its exit code. An exception is one line of stderr.
    """
    before_s = _cpu_of_children_s()
    process = _started(("fork",), lambda: _work_and_exit(work, limits), stdin=stdin)
    return _ended(process, limits, before_s)


def _started(
    command: Sequence[str], in_child: Callable[[], None], *, stdin: int, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - no shell; the command is fixed but for a checked file name
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
        preexec_fn=in_child,  # noqa: PLW1509 - the caller has one thread
    )


def _ended(
    process: subprocess.Popen[bytes],
    limits: Limits,
    before_s: float,
    on_stdout: Callable[[bytes], None] | None = None,
) -> Run:
    """Return the outcome once the process has ended or met a limit; `before_s`: the children's CPU time before it."""
    try:
        ending, stdout, stderr = _Capture(process, limits, on_stdout).collect()
    finally:
        _end(process)
    if ending is Ending.EXITED and process.returncode == -signal.SIGXCPU:
        ending = Ending.TOO_LONG
    return Run(ending, process.returncode, stdout, stderr, _cpu_of_children_s() - before_s)


def _work_and_exit(work: Callable[[], int], limits: Limits) -> NoReturn:
    """Work in the child of Popen, where it would start a program; never return to it."""
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], _MAX_DESCRIPTORS)
    confine(limits)
    # One of them is the pipe that tells Popen why no program could start: closed, it goes on as if one had.
    os.closerange(3, most)
    code = 1
    try:
        code = work()
    except BaseException as error:  # noqa: BLE001 - nothing may go on in Popen's child
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        # The interpreter and the libraries would tidy up for some milliseconds.
        os._exit(code)


def _cpu_of_children_s() -> float:
    """Return the CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def confine(limits: Limits) -> None:
    """Set the rlimits of this process and its children: memory, CPU time, no written file, no core dump."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + _CPU_GRACE_S))
    for limit, value in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_AS, limits.address_space_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(limit, (value, value))


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
    on_stdout: Callable[[bytes], None] | None = None
    _stdout_bytes: int = 0
    _captured: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})

    def collect(self) -> tuple[Ending, bytes, bytes]:
        """Read both streams until the process ends, within the timeout and the output limits."""
        deadline = time.monotonic() + self.limits.timeout_s
        with selectors.DefaultSelector() as selector:
            for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, name)
            ending = self._read(selector, deadline)
        if ending is Ending.EXITED:
            ending = self._wait(deadline)
        return ending, bytes(self._captured["stdout"]), bytes(self._captured["stderr"])

    def _read(self, selector: selectors.BaseSelector, deadline: float) -> Ending:
        while selector.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return Ending.STARVED
            for key, _ in selector.select(left_s):
                stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                data = os.read(stream.fileno(), 65536)
                if not data:
                    selector.unregister(stream)
                elif not self._keep(key.data, data):
                    return Ending.TOO_MUCH
        return Ending.EXITED

    def _keep(self, name: str, data: bytes) -> bool:
        """Store the data and return True; drop stderr beyond its limit, return False for stdout beyond its limit."""
        captured = self._captured[name]
        if name == "stderr":
            captured += data[: self.limits.stderr_bytes - len(captured)]
            return True
        self._stdout_bytes += len(data)
        if self.on_stdout is None:
            captured += data
        else:
            self.on_stdout(data)
        return self._stdout_bytes <= self.limits.stdout_bytes

    def _wait(self, deadline: float) -> Ending:
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return Ending.STARVED
        return Ending.EXITED
