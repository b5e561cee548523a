from __future__ import annotations

from mediaimport_checks.checklist import Check, CheckError, LeftOut, run_all


def failing() -> str:
    raise CheckError("nobody\nanswers", "start somebody")


def lines_of(*checks: Check) -> tuple[bool, list[str]]:
    lines: list[str] = []
    passed = run_all(checks, lines.append)
    return passed, lines


def test_each_check_is_one_line_with_what_was_found() -> None:
    assert lines_of(Check("webhook is ready", lambda: "it answers")) == (True, ["✓ webhook is ready: it answers"])


def test_failed_check_says_what_to_do_and_the_others_still_run() -> None:
    passed, lines = lines_of(Check("webhook is ready", failing), Check("store", lambda: "there"))
    assert not passed
    assert lines == ["✗ webhook is ready: nobody answers. To do: start somebody", "✓ store: there"]


def test_check_that_does_not_concern_the_installation_is_no_failure() -> None:
    assert lines_of(Check("webhook is ready", lambda: LeftOut("it is disabled"))) == (
        True,
        ["- webhook is ready: left out, it is disabled"],
    )
