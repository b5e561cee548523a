"""The sandbox with real processes: each limit is met."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober.sandbox import Ending, Limits, run

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

    assert (ending, code) == (Ending.TOO_LONG, -9)
    assert time.monotonic() - begun < 5


@pytest.mark.attack("a tool that hangs, with child processes", "all killed by the timeout")
def test_clock_ends_its_children_too() -> None:
    begun = time.monotonic()

    ending, *_ = python("import os, time; os.fork(); time.sleep(60)", Limits(timeout_s=0.5))

    assert ending is Ending.TOO_LONG
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
    _, code, *_ = python("while True: pass", Limits(cpu_s=1))

    assert code < 0


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
