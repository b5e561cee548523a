from __future__ import annotations

import io
import threading

import pytest

from dev.cluster import parts
from dev.cluster.parts import Parts


def test_part_runs_after_what_it_comes_after() -> None:
    order: list[str] = []
    go = threading.Event()
    works = Parts(io.StringIO())
    first = works.start("first", lambda: (go.wait(5), order.append("first")))
    works.start("second", lambda: order.append("second"), after=(first,))
    go.set()
    works.finish()
    assert order == ["first", "second"]


def test_parts_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=5)
    works = Parts(io.StringIO())
    works.start("one", both.wait)
    works.start("other", both.wait)
    works.finish()
    assert not both.broken


def test_first_failure_is_raised_while_others_are_at_work() -> None:
    done = threading.Event()
    works = Parts(io.StringIO())
    works.start("slow", lambda: done.wait(5))

    def fail() -> None:
        raise ValueError("broken")

    failed = works.start("failing", fail)
    works.start("never", lambda: pytest.fail("ran after a failure"), after=(failed,))
    with pytest.raises(ValueError, match="broken"):
        works.finish()
    assert not done.is_set()
    done.set()


def test_long_part_says_when_it_begins_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "QUIET_S", 0.01)
    words = io.StringIO()
    said = threading.Event()
    works = Parts(words)

    def work() -> None:
        while "compile …" not in words.getvalue():
            said.wait(0.01)

    works.start("compile", work)
    works.finish()
    begun, done = words.getvalue().splitlines()
    assert begun.endswith("compile …")
    assert "compile: done in" in done


def test_short_part_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "QUIET_S", 60)
    words = io.StringIO()
    works = Parts(words)
    works.start("compile", lambda: None)
    works.finish()
    assert words.getvalue() == ""
