from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from dev.cluster.commands import output, run, run_enclosed
from dev.cluster.errors import CommandFailedError
from dev.cluster.waiting import until

ENCLOSE = """
import pathlib, sys
from dev.cluster.commands import run_enclosed
run_enclosed([sys.argv[1], "60"], log=pathlib.Path(sys.argv[2]))
"""


def test_failure_tells_the_programs_last_words_and_where_the_rest_is(tmp_path: Path) -> None:
    log = tmp_path / "logs/a.log"
    with pytest.raises(CommandFailedError) as failure:
        run(["sh", "-c", "echo first; echo no space left >&2; exit 3"], log=log)
    assert "failed (3)" in str(failure.value)
    assert "no space left" in str(failure.value)
    assert str(log) in str(failure.value)


def test_output_is_returned_without_the_last_newline() -> None:
    assert output(["echo", "hello"]) == "hello"


def test_error_output_of_a_short_program_is_told() -> None:
    with pytest.raises(CommandFailedError, match="not here"):
        output(["sh", "-c", "echo not here >&2; exit 1"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux notifies a child of the death of its parent")
def test_enclosed_program_ends_when_we_are_killed(tmp_path: Path) -> None:
    program = tmp_path / f"sleep-{os.getpid()}"
    program.symlink_to("/bin/sleep")
    parent = subprocess.Popen([sys.executable, "-c", ENCLOSE, str(program), str(tmp_path / "log")])
    with parent:
        until(lambda: _running(program), timeout_s=10, what="the program runs")
        parent.kill()
    until(lambda: not _running(program), timeout_s=10, what="the program has ended")


def test_enclosed_program_runs_to_its_end(tmp_path: Path) -> None:
    run_enclosed(["sh", "-c", "echo done"], log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == "done\n"


def _running(program: Path) -> bool:
    """Tell whether a process runs the program, in whatever namespace."""
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if command_line.read_bytes().startswith(f"{program}\0".encode()):
                return True
    return False
