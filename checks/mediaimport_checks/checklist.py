"""A list of checks and what is said of each. Pure but for the checks themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """A check that says nothing of this installation, and why."""

    why: str


Outcome = str | LeftOut
"""Finding of a check that passes."""


@dataclass(frozen=True)
class Check:
    """Named check. `run` returns its finding; CheckError."""

    promise: str
    run: Callable[[], Outcome]


def run_all(checks: Iterable[Check], say: Callable[[str], None]) -> bool:
    """Run the checks in order, say a line of each, and tell whether none failed."""
    passed = [_passes(check, say) for check in checks]
    return all(passed)


def _passes(check: Check, say: Callable[[str], None]) -> bool:
    try:
        outcome = check.run()
    except CheckError as error:
        say(f"✗ {check.promise}: {_sentence(error.found)} To do: {error.remedy}")
        return False
    if isinstance(outcome, LeftOut):
        say(f"- {check.promise}: left out, {outcome.why}")
    else:
        say(f"✓ {check.promise}: {outcome}")
    return True


def _sentence(text: str) -> str:
    """Return the text on one line, with an end."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
