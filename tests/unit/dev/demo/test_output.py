from __future__ import annotations

from io import StringIO

from dev.demo.output import Telling


def test_step_is_told_with_its_time_and_only_once() -> None:
    out, moments = StringIO(), iter([100.0, 100.5, 103.2])
    telling = Telling(out, clock=lambda: next(moments))
    telling.step("one")
    telling.step("one")
    telling.step("two")
    assert out.getvalue().splitlines() == ["[  0.5 s] one", "[  3.2 s] two"]
