from __future__ import annotations

from mediaimport_checks.checklist import Check, CheckError, LeftOut, repeated, run_all


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


def test_check_of_what_is_starting_passes_once_it_has_started() -> None:
    tries: list[float] = []

    def run() -> str:
        if len(tries) < 3:
            raise CheckError("no ready pod", "wait")
        return "ready"

    check = Check("it is ready", repeated(run, timeout_s=60, monotonic=lambda: len(tries), sleep=tries.append))

    lines: list[str] = []
    assert run_all([check], lines.append)
    assert lines == ["✓ it is ready: ready"]


def test_check_of_what_never_starts_fails_when_its_time_is_over() -> None:
    tries: list[float] = []

    def run() -> str:
        raise CheckError("no ready pod", "see its log")

    check = Check("it is ready", repeated(run, timeout_s=5, monotonic=lambda: len(tries), sleep=tries.append))

    lines: list[str] = []
    assert not run_all([check], lines.append)
    assert (lines, len(tries)) == (["✗ it is ready: no ready pod. To do: see its log"], 5)
