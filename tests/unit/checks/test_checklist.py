from __future__ import annotations

from mediaimport_checks.checklist import Check, CheckError, LeftOut, run_all


def failing() -> str:
    raise CheckError("nobody\nanswers", "start somebody")


def said_of(*checks: Check) -> tuple[bool, list[str]]:
    said: list[str] = []
    passed = run_all(checks, said.append)
    return passed, said


def test_each_check_is_one_line_with_what_was_found() -> None:
    assert said_of(Check("webhook is ready", lambda: "it answers")) == (True, ["✓ webhook is ready: it answers"])


def test_failed_check_says_what_to_do_and_the_others_still_run() -> None:
    passed, said = said_of(Check("webhook is ready", failing), Check("store", lambda: "there"))
    assert not passed
    assert said == ["✗ webhook is ready: nobody answers. To do: start somebody", "✓ store: there"]


def test_check_that_does_not_concern_the_installation_is_no_failure() -> None:
    assert said_of(Check("webhook is ready", lambda: LeftOut("it is disabled"))) == (
        True,
        ["- webhook is ready: left out, it is disabled"],
    )
