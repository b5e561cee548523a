"""Whether another attempt follows one that failed, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.reasons import MAX_UNCOUNTED, Reason, Retry

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Tally

    from mediaimport_operator.decide.attempt import Ended

LONGEST_WAIT = timedelta(minutes=5)
_DOWNLOAD_FAILURES = frozenset({Reason.SOURCE_UNAVAILABLE, Reason.TRUNCATED})


@dataclass(frozen=True)
class Again:
    """Another attempt, not before `at`."""

    at: datetime


@dataclass(frozen=True)
class GiveUp:
    """No more attempts in this run."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Rules:
    """What an import is given: `attempts` that count, the first wait, when its source dies."""

    attempts: int
    first_wait: timedelta
    source_expires_at: datetime | None


def counted(tally: Tally, ended: Ended) -> Tally:
    """Return the tally with this end in it."""
    match _retry(ended.reason, tally):
        case Retry.MORE_MEMORY:
            return tally.model_copy(update={"out_of_memory": tally.out_of_memory + 1})
        case Retry.UNCOUNTED if ended.reason is Reason.RESULT_LOST:
            return tally.model_copy(update={"result_lost": tally.result_lost + 1})
        case Retry.UNCOUNTED:
            return tally.model_copy(update={"disrupted": tally.disrupted + 1})
        case Retry.COUNTED | Retry.NEVER:
            return tally.model_copy(update={"counted": tally.counted + 1})


def _retry(reason: Reason, tally: Tally) -> Retry:
    """Return the reason's kind of retry; a result that is lost again counts: it is no accident."""
    if reason is Reason.RESULT_LOST and tally.result_lost:
        return Retry.COUNTED
    return reason.facts.retry


def after(ended: Ended, *, tally: Tally, rules: Rules, now: datetime) -> Again | GiveUp:
    """Return what follows a failure; `tally` already counts it."""
    if _exhausted(ended.reason, tally, rules):
        return GiveUp(ended.reason, ended.message)
    if rules.source_expires_at is not None and now >= rules.source_expires_at and ended.reason in _DOWNLOAD_FAILURES:
        return GiveUp(Reason.SOURCE_EXPIRED, f"the source's URL has expired; the last attempt said: {ended.message}")
    return Again(now + _wait(ended, tally, rules))


def _exhausted(reason: Reason, tally: Tally, rules: Rules) -> bool:
    match reason.facts.retry:
        case Retry.NEVER:
            return True
        case Retry.MORE_MEMORY:
            return tally.out_of_memory > 1
        case Retry.UNCOUNTED:
            return tally.disrupted + tally.result_lost > MAX_UNCOUNTED or tally.counted >= rules.attempts
        case Retry.COUNTED:
            return tally.counted >= rules.attempts


def _wait(ended: Ended, tally: Tally, rules: Rules) -> timedelta:
    """Return a wait that doubles with each attempt that ended, or what the source asked for if that is longer."""
    before = max(tally.counted + tally.disrupted + tally.result_lost + tally.out_of_memory - 1, 0)
    growing: timedelta = min(rules.first_wait * (1 << min(before, 16)), LONGEST_WAIT)
    asked = ended.result.retry_after_seconds if ended.result else None
    return max(growing, timedelta(seconds=asked or 0))
