"""The sandbox with real processes: each limit is met."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober.sandbox import MIB, Ending, Limits, Run, fork, run

if TYPE_CHECKING:
    from pathlib import Path

# Newer Pythons warn of forks in a process with threads; the prober has none, the test run has.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def python(program: str, limits: Limits | None = None) -> tuple[Ending, int, bytes, bytes]:
    ran = run([sys.executable, "-I", "-S", "-c", program], limits or Limits())
    return ran.ending, ran.exit_code, ran.stdout, ran.stderr


def test_both_streams_and_the_exit_code_are_captured() -> None:
    assert python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)") == (
        Ending.EXITED, 3, b"out\n", b"err\n",
    )  # fmt: skip


def test_clock_ends_what_hangs() -> None:
    begun = time.monotonic()

    ending, code, *_ = python("import time; time.sleep(60)", Limits(timeout_s=0.5))

    assert (ending, code) == (Ending.STARVED, -9)
    assert time.monotonic() - begun < 5


@pytest.mark.attack("a tool that hangs, with child processes", "all killed by the timeout")
def test_clock_ends_its_children_too() -> None:
    begun = time.monotonic()

    ending, *_ = python("import os, time; os.fork(); time.sleep(60)", Limits(timeout_s=0.5))

    assert ending is Ending.STARVED
    assert time.monotonic() - begun < 5


@pytest.mark.attack("unlimited output", "cut off")
def test_stdout_beyond_its_limit_is_the_end() -> None:
    ending, *_ = python("while True: print('x' * 1000)", Limits(stdout_bytes=10_000))

    assert ending is Ending.TOO_MUCH


def test_stderr_beyond_its_limit_is_dropped() -> None:
    ending, code, _, errors = python("import sys; sys.stderr.write('x' * 100_000)", Limits(stderr_bytes=1000))

    assert (ending, code, len(errors)) == (Ending.EXITED, 0, 1000)


@pytest.mark.attack("unlimited memory", "refused by RLIMIT_AS")
def test_memory_is_limited() -> None:
    _, code, _, errors = python("x = bytearray(400_000_000)", Limits(address_space_bytes=300_000_000))

    assert code == 1
    assert b"MemoryError" in errors


def test_processor_time_is_limited() -> None:
    ending, code, *_ = python("while True: pass", Limits(cpu_s=1))

    assert code < 0
    assert ending is Ending.TOO_LONG


def test_clock_is_longer_than_the_processor_time_of_a_tool() -> None:
    """A tool that works until the clock ends it has a node that is busy with others."""
    assert Limits().timeout_s >= 2 * Limits().cpu_s


def test_clock_tells_how_little_processor_time_a_tool_had() -> None:
    ran = run([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"], Limits(timeout_s=0.5))

    assert (ran.ending, ran.cpu_s < 0.5) == (Ending.STARVED, True)


@pytest.mark.attack("a tool that ignores the signal of its CPU limit", "killed")
def test_processor_time_is_limited_for_a_tool_that_resists() -> None:
    program = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"

    ending, code, *_ = python(program, Limits(cpu_s=1, timeout_s=60))

    assert (ending, code) == (Ending.EXITED, -9)


def test_memory_of_its_own_is_limited_apart_from_the_address_space() -> None:
    limits = Limits(memory_bytes=100 * MIB, address_space_bytes=4096 * MIB)

    assert python("x = bytearray(200 << 20)", limits)[1] == 1
    assert python("x = bytearray(40 << 20)", limits)[1] == 0


@pytest.mark.parametrize(
    ("program", "short"),
    [
        ("import os; os.kill(os.getpid(), 9)", True),
        ("import sys; sys.exit('[mov] Cannot allocate memory')", True),
        ("import sys; sys.exit('std::bad_alloc')", True),
        ("import sys; sys.exit('pthread_create() failed: Resource temporarily unavailable')", True),
        ("import os; os.kill(os.getpid(), 11)", False),
        ("import sys; sys.exit('Invalid data found when processing input')", False),
    ],
)
def test_want_of_memory_is_told_from_other_failures(program: str, short: bool) -> None:  # noqa: FBT001 - pytest's parameters
    ran = run([sys.executable, "-I", "-S", "-c", program], Limits())

    assert ran.out_of_memory is short


def test_tool_that_the_clock_has_killed_had_memory_enough() -> None:
    ran = run([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"], Limits(timeout_s=0.3))

    assert (ran.exit_code, ran.out_of_memory) == (-9, False)


def test_stdout_can_be_read_piece_by_piece_and_is_not_kept() -> None:
    pieces: list[bytes] = []

    ran = run([sys.executable, "-I", "-S", "-c", "print('x' * 100_000)"], Limits(), on_stdout=pieces.append)

    assert (ran.stdout, b"".join(pieces)) == (b"", b"x" * 100_000 + b"\n")


@pytest.mark.attack("a tool that writes a file", "refused by RLIMIT_FSIZE")
def test_no_file_can_be_written(tmp_path: Path) -> None:
    python(f"open({str(tmp_path / 'new')!r}, 'w').write('x')")

    assert (tmp_path / "new").read_text() == ""


@pytest.mark.attack("a tool that reads the environment", "it is empty")
def test_no_variable_of_ours_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "secret")

    _, _, variables, _ = python("import os; print(sorted(os.environ))")

    assert b"S3" not in variables
    assert b"PATH" in variables


def forked(program: str, limits: Limits | None = None) -> Run:
    def work() -> int:
        exec(program)  # noqa: S102 - one of the tests' own
        return 0

    return fork(work, limits or Limits())


def test_fork_has_both_streams_and_an_exit_code() -> None:
    def work() -> int:
        os.write(1, b"out")
        os.write(2, b"err")
        return 3

    ran = fork(work, Limits())

    assert (ran.ending, ran.exit_code, ran.stdout, ran.stderr) == (Ending.EXITED, 3, b"out", b"err")


@pytest.mark.attack("a picture that has taken libvips over, and looks for the prober's connection", "it has none")
def test_fork_has_no_descriptor_but_its_streams(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"of the picture")
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "picture").open("rb") as opened:

        def work() -> int:
            found = [each for each in range(1024) if _is_open(each)]
            os.write(1, f"{found} {os.read(0, 100)!r}".encode())
            return 0

        ran = fork(work, Limits(), stdin=opened.fileno())

    assert ran.stdout == b"[0, 1, 2] b'of the picture'"


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_fork_has_a_session_of_its_own() -> None:
    ran = forked("import os; os.write(1, str(os.getsid(0) == os.getpid()).encode())")

    assert (ran.exit_code, ran.stdout) == (0, b"True")


def test_error_in_a_fork_is_one_line_and_an_exit_code() -> None:
    ran = forked("raise ValueError('of the test')")

    assert (ran.ending, ran.exit_code, ran.stderr) == (Ending.EXITED, 1, b"ValueError: of the test\n")


@pytest.mark.parametrize(
    ("program", "limits", "ending", "exit_code"),
    [
        ("import time; time.sleep(60)", Limits(timeout_s=0.5), Ending.STARVED, -9),
        ("import os, time; os.fork(); time.sleep(60)", Limits(timeout_s=0.5), Ending.STARVED, -9),
        ("while True: pass", Limits(cpu_s=1), Ending.TOO_LONG, -24),
        ("import os\nwhile True: os.write(1, b'x' * 1000)", Limits(stdout_bytes=10_000), Ending.TOO_MUCH, -9),
        ("import os; os.write(2, b'x' * 200_000)", Limits(stderr_bytes=1000), Ending.EXITED, 0),
        ("import os; os.abort()", Limits(), Ending.EXITED, -6),
    ],
    ids=["hangs", "hangs with a child", "works", "writes", "writes errors", "crashes"],
)
def test_fork_meets_the_limits(program: str, limits: Limits, ending: Ending, exit_code: int) -> None:
    begun = time.monotonic()

    ran = forked(program, limits)

    assert (ran.ending, ran.exit_code) == (ending, exit_code)
    assert len(ran.stderr) <= limits.stderr_bytes
    assert time.monotonic() - begun < 10


def test_memory_of_a_fork_is_limited() -> None:
    ran = forked("x = bytearray(1 << 30)")

    assert (ran.exit_code, ran.out_of_memory) == (1, True)


def test_fork_writes_no_file(tmp_path: Path) -> None:
    forked(f"open({str(tmp_path / 'new')!r}, 'w').write('x')")

    assert not (tmp_path / "new").exists() or (tmp_path / "new").read_text() == ""
