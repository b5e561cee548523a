"""List of checks, and the line that each prints. Pure but for the checks themselves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class CheckError(Exception):
    """Failed check: what is wrong, and the remedy."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


@dataclass(frozen=True)
class LeftOut:
    """Check that does not apply to this installation, and the reason."""

    reason: str


Outcome = str | LeftOut
"""Finding of a check that passes."""
Found = TypeVar("Found", bound=Outcome)


@dataclass(frozen=True)
class Check:
    """Named check. `run` returns its finding; CheckError."""

    name: str
    run: Callable[[], Outcome]


def repeated(
    run: Callable[[], Found],
    *,
    timeout_s: float,
    poll_s: float = 1,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[], Found]:
    """Return what runs again until it passes, for that time at most."""

    def run_repeatedly() -> Found:
        deadline = monotonic() + timeout_s
        while True:
            try:
                return run()
            except CheckError:
                if monotonic() >= deadline:
                    raise
            sleep(poll_s)

    return run_repeatedly


def run_all(checks: Iterable[Check], report: Callable[[str], None]) -> bool:
    """Run the checks in order, report a line for each, and tell whether all passed."""
    passed = [_passes(check, report) for check in checks]
    return all(passed)


def _passes(check: Check, report: Callable[[str], None]) -> bool:
    try:
        outcome = check.run()
    except CheckError as error:
        report(f"✗ {check.name}: {_sentence(error.found)} To do: {error.remedy}")
        return False
    if isinstance(outcome, LeftOut):
        report(f"- {check.name}: left out, {outcome.reason}")
    else:
        report(f"✓ {check.name}: {outcome}")
    return True


def _sentence(text: str) -> str:
    """Return the text on one line, with an end."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
