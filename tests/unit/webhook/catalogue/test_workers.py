"""Worker processes, in a program of their own: they are forks of one without threads."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

PROGRAM = (sys.executable, "-m", "tests.support.worker_processes")
ROOT = Path(__file__).parents[4]
EXPECTED = [(f"media/alice/{10 * n + 9:03}/", str(sum(range(10 * n, 10 * n + 10)))) for n in range(10)]
LIMIT_S = 60


def run(*arguments: str) -> tuple[int, list[list[str]]]:
    """Return the exit code, and the words of each line."""
    done = subprocess.run(
        (*PROGRAM, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    return done.returncode, [each.split() for each in done.stdout.splitlines()]


@pytest.mark.parametrize(("number", "place"), [("1", "here"), ("2", "there"), ("5", "there")])
def test_results_come_in_the_order_of_the_assets(number: str, place: str) -> None:
    assert run(number) == (0, [[*each, place] for each in EXPECTED])


@pytest.mark.parametrize("number", ["1", "3"])
@pytest.mark.parametrize("asset", ["0", "55", "99"])
def test_error_of_the_work_ends_all_after_what_comes_before_it(number: str, asset: str) -> None:
    code, lines = run(number, asset, "refused")
    assert (code, lines[-1]) == (3, ["DatabaseUnavailableError:", "away"])
    assert [(each[0], each[1]) for each in lines[:-1]] == EXPECTED[: int(asset) // 10]


@pytest.mark.parametrize("number", ["1", "3"])
def test_work_that_cannot_be_opened_says_why(number: str) -> None:
    assert run(number, "0", "not opened") == (3, [["DatabaseUnavailableError:", "no", "password"]])


@pytest.mark.parametrize(("deed", "code"), [("killed", "-9"), ("fault", "1")])
def test_process_that_is_lost_ends_all(deed: str, code: str) -> None:
    exit_code, lines = run("3", "55", deed)
    assert (exit_code, lines[-1][0], lines[-1][-1]) == (3, "WorkerLostError:", code)
    assert [(each[0], each[1]) for each in lines[:-1]] == EXPECTED[:5]


def test_processes_end_with_a_program_that_is_killed() -> None:
    with subprocess.Popen((*PROGRAM, "3", "0", "stuck"), cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        stuck = int(program.stdout.readline().split()[1])
        children = _children(program.pid)
        assert stuck in children
        assert len(children) == 3
        program.kill()
        program.wait(LIMIT_S)
    end = time.monotonic() + LIMIT_S
    while any(map(_is_running, children)):
        assert time.monotonic() < end
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_running(pid: int) -> bool:
    """Tell whether it has not ended: a zombie has, and its new parent has not waited for it yet."""
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"
    return False
