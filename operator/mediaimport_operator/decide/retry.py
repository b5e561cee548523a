"""The decision whether another attempt follows a failure, and when: the rules of retries, with exponential backoff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.reasons import MAX_PATIENCE, MAX_UNCOUNTED, Reason, Retry

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Tally

    from mediaimport_operator.decide.attempt import Ended

MAX_BACKOFF = timedelta(minutes=5)
_DOWNLOAD_FAILURES = frozenset({Reason.SOURCE_UNAVAILABLE, Reason.TRUNCATED})


@dataclass(frozen=True)
class RetryAt:
    """Start another attempt, not before `at`."""

    at: datetime


@dataclass(frozen=True)
class GiveUp:
    """Start no more attempts in this run."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class RetryRules:
    """An import's limits: `attempts` that count, the first backoff, the expiry of its source, the start of its run."""

    attempts: int
    initial_backoff: timedelta
    source_expires_at: datetime | None
    run_started_at: datetime

    def patience_over(self, now: datetime) -> bool:
        """Return whether no attempt follows any more for what is not the file's own fault."""
        return now >= self.patience_ends_at

    @property
    def patience_ends_at(self) -> datetime:
        """The time until which failures of the store, the node or the installation, and disruptions, are retried."""
        return self.source_expires_at or self.run_started_at + MAX_PATIENCE


def retry_decision(ended: Ended, *, tally: Tally, rules: RetryRules, now: datetime) -> RetryAt | GiveUp:
    """Return what follows a failure; `tally` already counts it."""
    if _exhausted(ended.reason, tally, rules, now):
        return GiveUp(ended.reason, ended.message)
    if rules.source_expires_at is not None and now >= rules.source_expires_at and ended.reason in _DOWNLOAD_FAILURES:
        message = f"the source's URL has expired; the last attempt failed: {ended.message}"
        return GiveUp(Reason.SOURCE_EXPIRED, message)
    return RetryAt(now + _backoff(ended, tally, rules))


def _exhausted(reason: Reason, tally: Tally, rules: RetryRules, now: datetime) -> bool:
    match reason.facts.retry:
        case Retry.NEVER:
            return True
        case Retry.MORE_MEMORY:
            return tally.out_of_memory > 1
        case Retry.UNTIL_EXPIRY:
            return tally.external >= rules.attempts and rules.patience_over(now)
        case Retry.UNCOUNTED:
            many = tally.disrupted + tally.result_lost > MAX_UNCOUNTED
            return (many and rules.patience_over(now)) or tally.counted >= rules.attempts
        case Retry.COUNTED:  # pragma: no branch - mypy knows that these are all
            return tally.counted >= rules.attempts


def _backoff(ended: Ended, tally: Tally, rules: RetryRules) -> timedelta:
    """Return a wait that doubles with each attempt that ended, or the source's Retry-After if that is longer."""
    ended_attempts = tally.counted + tally.disrupted + tally.result_lost + tally.out_of_memory + tally.external
    failures_before = max(ended_attempts - 1, 0)
    exponential: timedelta = min(rules.initial_backoff * (1 << min(failures_before, 16)), MAX_BACKOFF)
    retry_after_s = ended.result.retry_after_seconds if ended.result else None
    return max(exponential, timedelta(seconds=retry_after_s or 0))
