from __future__ import annotations

from io import StringIO

from dev.demo.output import Output


def test_step_is_printed_with_its_time_and_only_once() -> None:
    out, moments = StringIO(), iter([100.0, 100.5, 103.2])
    output = Output(out, clock=lambda: next(moments))
    output.step("one")
    output.step("one")
    output.step("two")
    assert out.getvalue().splitlines() == ["[  0.5 s] one", "[  3.2 s] two"]
