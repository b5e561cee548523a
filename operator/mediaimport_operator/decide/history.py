"""The attempts of a run: what the status remembers, and what Job and pod add to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.names import job_name, run_hash
from mediaimport_api.reasons import Reason
from mediaimport_api.status import MAX_ATTEMPTS_SHOWN, MAX_LOG_TAIL, Attempt, Tally
from mediaimport_runtime.text import truncate

from mediaimport_operator.decide import attempt, retry
from mediaimport_operator.decide.attempt import Ended, Running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mediaimport_operator.observe.job import Job
    from mediaimport_operator.observe.pod import Pod
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.observe.result import Expectation


@dataclass(frozen=True)
class History:
    """`number` is the newest attempt's, 0 before the first; `state` is there until its end is in the status."""

    number: int
    attempts: tuple[Attempt, ...]
    tally: Tally
    next_attempt_at: datetime | None
    state: Running | Ended | None = None

    @property
    def last(self) -> Attempt | None:
        """Return the newest attempt."""
        return self.attempts[0] if self.attempts else None


def remembered(resource: Resource) -> History:
    """Return the status's memory of the run that the spec asks for; a new run remembers nothing."""
    status = resource.status
    if status.run != resource.run:
        return History(0, (), Tally(), None)
    tally = status.tally or Tally()
    return History(tally.started, tuple(status.attempts), tally, status.next_attempt_at)


def recorded(resource: Resource, number: int) -> Attempt | None:
    """Return the attempt of this run if the status holds its end."""
    known = remembered(resource)
    if number < known.number - MAX_ATTEMPTS_SHOWN + 1:
        return Attempt(number=number, job_name="", reason=Reason.UNEXPECTED)
    return next((each for each in known.attempts if each.number == number and each.reason), None)


def observe(
    resource: Resource, *, jobs: Sequence[Job], pods: Sequence[Pod], expected: Expectation, now: datetime
) -> History:
    """Return the history with the newest attempt as Job and pod show it."""
    known = remembered(resource)
    run = run_hash(resource.run)
    mine = {job.attempt: job for job in jobs if job.run_hash == run}
    ours = [pod for pod in pods if pod.run_hash == run]
    number = max(known.number, *mine, *(pod.attempt for pod in ours), 0)
    if number == 0 or recorded(resource, number) is not None:
        return known
    current = [pod for pod in ours if pod.attempt == number]
    state = attempt.read(job=mine.get(number), pods=current, expected=expected, now=now)
    name = job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=number)
    adopted = begin(known, number=number, name=name, at=_created(mine.get(number)) or now)
    started = known if number == known.number else adopted
    return _with_state(started, state)


def _created(job: Job | None) -> datetime | None:
    return job.created_at if job else None


def begin(history: History, *, number: int, name: str, at: datetime) -> History:
    """Return the history with one attempt more, started at that time."""
    begun = Attempt(number=number, job_name=name, started_at=at)
    tally = history.tally.model_copy(update={"started": number})
    shown = (begun, *(each.model_copy(update={"log_tail": None}) for each in history.attempts))
    return History(number, shown[:MAX_ATTEMPTS_SHOWN], tally, None, Running())


def _with_state(history: History, state: Running | Ended) -> History:
    first, *others = history.attempts
    seen = first.model_copy(update={"pod_name": state.pod_name or first.pod_name})
    return History(history.number, (seen, *others), history.tally, None, state)


def end(history: History, ended: Ended, *, log_tail: str | None, now: datetime) -> History:
    """Return the history with the newest attempt's end entered and counted."""
    first, *others = history.attempts
    over = first.model_copy(
        update={
            "finished_at": ended.finished_at or now,
            "reason": ended.reason,
            "exit_code": ended.exit_code,
            "message": ended.message,
            "log_tail": truncate(log_tail, MAX_LOG_TAIL) if log_tail and ended.reason is not Reason.IMPORTED else None,
        }
    )
    return History(history.number, (over, *others), retry.counted(history.tally, ended), None, ended)


def stop(history: History, reason: Reason, *, now: datetime) -> History:
    """Return the history with the running attempt stopped by us: neither counted nor failed."""
    first, *others = history.attempts
    over = first.model_copy(update={"finished_at": now, "reason": reason})
    return History(history.number, (over, *others), history.tally, None)
