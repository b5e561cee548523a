"""Estimate of the time that tasks have left, from what each typically takes and what the finished ones took."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A task that ends sooner found its result in the cache, and says nothing of the machine's speed.
_CACHED = 0.1
_SLOWEST = 5.0
# Part of its time that a task still has which already takes longer than expected.
_OVERDUE = 0.1
_MINUTE_S = 60


@dataclass(frozen=True)
class Step:
    """Task with its typical seconds, the tasks it waits for, and its times on the clock of the command."""

    typical_s: float
    after: tuple[str, ...] = ()
    began_s: float | None = None
    ended_s: float | None = None


def left_s(steps: Mapping[str, Step], now_s: float) -> float:
    """Return the seconds until the last task ends: the longest way through those that wait for one another."""
    pace = _pace(steps)
    ends: dict[str, float] = {}

    def end(name: str) -> float:
        if name not in ends:
            step = steps[name]
            ends[name] = _remaining_s(step, pace, now_s) + max(map(end, step.after), default=0.0)
        return ends[name]

    return max(map(end, steps), default=0.0)


def sentence(steps: Mapping[str, Step], now_s: float) -> str:
    """Return a line such as `about 4 minutes left: compile kubernetes, build images`."""
    running = [name for name, step in steps.items() if step.began_s is not None and step.ended_s is None]
    left = left_s(steps, now_s)
    if left > _MINUTE_S:
        duration = f"about {math.ceil(left / _MINUTE_S)} minutes left"
    else:
        duration = "less than a minute left" if left else "still running"
    return f"{duration}: {', '.join(running)}" if running else duration


def _pace(steps: Mapping[str, Step]) -> float:
    """Return how much longer than typically the finished tasks took on this machine."""
    typical_s = took_s = 0.0
    for step in steps.values():
        if step.began_s is None or step.ended_s is None:
            continue
        took = step.ended_s - step.began_s
        if took > step.typical_s * _CACHED:
            typical_s, took_s = typical_s + step.typical_s, took_s + took
    return min(max(took_s / typical_s, 1 / _SLOWEST), _SLOWEST) if typical_s else 1.0


def _remaining_s(step: Step, pace: float, now_s: float) -> float:
    expected_s = step.typical_s * pace
    if step.ended_s is not None:
        return 0.0
    if step.began_s is None:
        return expected_s
    elapsed_s = now_s - step.began_s
    return max(expected_s - elapsed_s, elapsed_s * _OVERDUE) if expected_s else 0.0
