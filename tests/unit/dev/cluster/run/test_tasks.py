from __future__ import annotations

import io
import itertools
import re
import threading
from concurrent.futures import CancelledError

import pytest

from dev.cluster.run import tasks
from dev.cluster.run.tasks import Tasks


def test_task_runs_after_those_it_depends_on() -> None:
    order: list[str] = []
    go = threading.Event()
    running = Tasks(io.StringIO())

    def wait_and_note() -> None:
        go.wait(60)
        order.append("first")

    first = running.start("first", wait_and_note)
    running.start("second", lambda: order.append("second"), after=(first,))
    go.set()
    running.finish(threading.Event())
    assert order == ["first", "second"]


def test_tasks_run_in_parallel() -> None:
    both = threading.Barrier(2, timeout=60)
    running = Tasks(io.StringIO())
    running.start("one", both.wait)
    running.start("other", both.wait)
    running.finish(threading.Event())
    assert not both.broken


def test_first_failure_is_raised_while_others_are_running() -> None:
    done = threading.Event()
    running = Tasks(io.StringIO())
    running.start("slow", lambda: done.wait(60))

    def fail() -> None:
        raise ValueError("broken")

    failed = running.start("failing", fail)
    running.start("never", lambda: pytest.fail("ran after a failure"), after=(failed,))
    with pytest.raises(ValueError, match="broken"):
        running.finish(threading.Event())
    assert not done.is_set()
    done.set()


def test_long_task_prints_a_line_at_its_start_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "QUIET_S", 0.01)
    printed = io.StringIO()
    pause = threading.Event()
    running = Tasks(printed)

    def work() -> None:
        while "compile …" not in printed.getvalue():
            pause.wait(0.01)

    running.start("compile", work)
    running.finish(threading.Event())
    started, done = printed.getvalue().splitlines()
    assert started.endswith("compile …")
    assert "compile: done in" in done


def test_short_task_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "QUIET_S", 60)
    printed = io.StringIO()
    running = Tasks(printed)
    running.start("compile", lambda: None)
    running.finish(threading.Event())
    assert printed.getvalue() == ""


def test_interruption_ends_the_wait_and_starts_nothing_more() -> None:
    interrupted, go = threading.Event(), threading.Event()
    running = Tasks(io.StringIO())
    apt = running.start("apt", lambda: go.wait(60))
    compiler = running.start("compile", lambda: go.wait(60))
    node = running.start("node", lambda: pytest.fail("started after the interruption"), after=(compiler,))
    interrupted.set()
    with pytest.raises(KeyboardInterrupt):
        running.finish(interrupted)
    threading.Timer(0.1, go.set).start()
    running.stop(apt, node)
    assert apt.done()
    assert isinstance(node.exception(), CancelledError)


def test_what_is_left_is_printed_every_half_minute() -> None:
    now = itertools.count(step=20)
    printed, enough = io.StringIO(), threading.Event()
    running = Tasks(printed, typical_s={"compile": 600.0}, clock=lambda: float(next(now)))
    running.start("compile", lambda: enough.wait(30))
    waiting = threading.Thread(target=running.finish, args=(threading.Event(),))
    waiting.start()
    while printed.getvalue().count("left: compile") < 2 and waiting.is_alive():
        waiting.join(0.01)
    enough.set()
    waiting.join()
    lines = [line for line in printed.getvalue().splitlines() if "left" in line]
    assert re.search(r"about (8|9|10) minutes left: compile$", lines[0])


def test_short_command_prints_nothing_of_what_is_left() -> None:
    printed = io.StringIO()
    running = Tasks(printed, typical_s={"compile": 600.0}, clock=lambda: 0.0)
    running.start("compile", lambda: None)
    running.finish(threading.Event())
    assert printed.getvalue() == ""
