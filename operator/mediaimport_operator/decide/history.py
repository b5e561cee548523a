"""The attempts of a run: what the status has recorded, plus what Job and pod show of the newest one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.names import job_name, run_hash
from mediaimport_api.reasons import MAX_MESSAGE, Reason, Retry
from mediaimport_api.status import MAX_ATTEMPTS_SHOWN, MAX_LOG_TAIL, Attempt, ConditionType, Tally
from mediaimport_runtime.text import truncate

from mediaimport_operator.decide.attempt import (
    NODE_LOST_AFTER,
    TERMINATION_GRACE,
    Ended,
    PendingReason,
    Running,
    attempt_state,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mediaimport_operator.observe.job import Job, Pod, ResultValidator
    from mediaimport_operator.observe.resource import Resource

_UNSEEN_STOP = TERMINATION_GRACE + NODE_LOST_AFTER
_NOT_RUNNING = frozenset(
    {
        Reason.STARTING,
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_CONFIG_INVALID,
        Reason.POD_REFUSED,
        Reason.CREDENTIALS_REFUSED,
        Reason.CREDENTIALS_UNAVAILABLE,
    }
)
"""Reasons of the condition Ready while an attempt's importer does not run yet."""
_MAYBE_UNSEEN = frozenset({Reason.DISRUPTED, Reason.DEADLINE_EXCEEDED})


@dataclass(frozen=True)
class History:
    """The newest attempt's `number` (0 before the first) and all attempts, newest first.

    `state` is the newest attempt's; None once the status has recorded its end.
    """

    number: int
    attempts: tuple[Attempt, ...]
    tally: Tally
    next_attempt_at: datetime | None
    state: Running | Ended | None = None

    @property
    def last(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[0] if self.attempts else None


# --- from the status ---


def recorded_history(resource: Resource) -> History:
    """Return the history that the status has recorded; a new run starts with an empty one."""
    status = resource.status
    if status.run != resource.run:
        return History(0, (), Tally(), None)
    tally = status.tally or Tally()
    attempts = tuple(each for each in status.attempts if each.number <= tally.started)
    if tally.started and (not attempts or attempts[0].number < tally.started):
        # It could not be read: its Job and pod tell what it is.
        name = job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=tally.started)
        attempts = (Attempt(number=tally.started, job_name=name), *attempts)[:MAX_ATTEMPTS_SHOWN]
    return History(tally.started, attempts, tally, status.next_attempt_at)


def recorded_end(resource: Resource, number: int) -> Attempt | None:
    """Return the attempt of this run if the status has recorded its end."""
    known = recorded_history(resource)
    if number < known.number - MAX_ATTEMPTS_SHOWN + 1:
        return Attempt(number=number, job_name="", reason=Reason.UNEXPECTED)
    return next((each for each in known.attempts if each.number == number and each.reason), None)


def shown_pending_reason(resource: Resource, number: int) -> PendingReason | None:
    """Return why the importer of that attempt does not run, if that is the last that the status has recorded of it."""
    status = resource.status
    shown, started = status.condition(ConditionType.READY), status.tally.started if status.tally else 0
    if shown is None or status.run != resource.run or started != number or shown.reason not in _NOT_RUNNING:
        return None
    return PendingReason(Reason(shown.reason), truncate(shown.message, MAX_MESSAGE))


def stopped_by(ended: Ended, *, now: datetime) -> datetime:
    """Return when the importer of an attempt that has ended runs no more, seen by somebody or not."""
    return now if ended.importer_stopped else (ended.finished_at or now) + _UNSEEN_STOP


def stop_of_last_run(resource: Resource) -> datetime | None:
    """Return until when an importer of an earlier run may run whose end nobody has seen."""
    status = resource.status
    last = status.attempts[0] if status.attempts else None
    if last is None or status.run == resource.run or last.finished_at is None:
        return None
    unseen = last.reason in _MAYBE_UNSEEN and last.exit_code is None
    return last.finished_at + _UNSEEN_STOP if unseen else None


# --- from Jobs and pods ---


def observed_history(
    resource: Resource, *, jobs: Sequence[Job], pods: Sequence[Pod], validator: ResultValidator, now: datetime
) -> History:
    """Return the history with the newest attempt as its Job and pod show it."""
    known = recorded_history(resource)
    run = run_hash(resource.run)
    run_jobs = {job.attempt: job for job in jobs if job.run_hash == run}
    run_pods = [pod for pod in pods if pod.run_hash == run]
    number = max(known.number, *run_jobs, *(pod.attempt for pod in run_pods), 0)
    if number == 0 or recorded_end(resource, number) is not None:
        return known
    job = run_jobs.get(number)
    current = [pod for pod in run_pods if pod.attempt == number]
    shown = shown_pending_reason(resource, number)
    state = attempt_state(job=job, pods=current, validator=validator, now=now, shown=shown)
    if number != known.number:
        # The status does not know this attempt: adopt it.
        name = job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=number)
        known = with_new_attempt(known, number=number, name=name, at=(job.created_at if job else None) or now)
    return _with_state(known, state)


def _with_state(history: History, state: Running | Ended) -> History:
    first, *others = history.attempts
    newest = first.model_copy(update={"pod_name": state.pod_name or first.pod_name})
    return History(history.number, (newest, *others), history.tally, None, state)


# --- changes ---


def with_new_attempt(history: History, *, number: int, name: str, at: datetime) -> History:
    """Return the history with one attempt more, started at that time."""
    begun = Attempt(number=number, job_name=name, started_at=at)
    tally = history.tally.model_copy(update={"started": number})
    shown = (begun, *(each.model_copy(update={"log_tail": None}) for each in history.attempts))
    return History(number, shown[:MAX_ATTEMPTS_SHOWN], tally, None, Running())


def with_end(history: History, ended: Ended, *, log_tail: str | None, now: datetime) -> History:
    """Return the history with the newest attempt's end recorded and counted."""
    first, *others = history.attempts
    newest = first.model_copy(
        update={
            "finished_at": ended.finished_at or now,
            "reason": ended.reason,
            "exit_code": ended.exit_code,
            "message": ended.message,
            "log_tail": truncate(log_tail, MAX_LOG_TAIL) if log_tail and ended.reason is not Reason.IMPORTED else None,
        }
    )
    return History(history.number, (newest, *others), _counted(history.tally, ended), None, ended)


def with_stop(history: History, reason: Reason, *, now: datetime) -> History:
    """Return the history with the running attempt stopped by the operator: neither counted nor failed."""
    first, *others = history.attempts
    newest = first.model_copy(update={"finished_at": now, "reason": reason})
    return History(history.number, (newest, *others), history.tally, None)


def _counted(tally: Tally, ended: Ended) -> Tally:
    """Return the tally with this end in it."""
    match _retry_kind(ended.reason, tally):
        case Retry.MORE_MEMORY:
            return tally.model_copy(update={"out_of_memory": tally.out_of_memory + 1})
        case Retry.UNCOUNTED if ended.reason is Reason.RESULT_LOST:
            return tally.model_copy(update={"result_lost": tally.result_lost + 1})
        case Retry.UNTIL_EXPIRY:
            return tally.model_copy(update={"external": tally.external + 1})
        case Retry.UNCOUNTED:
            return tally.model_copy(update={"disrupted": tally.disrupted + 1})
        case Retry.COUNTED | Retry.NEVER:  # pragma: no branch - mypy knows that these are all
            return tally.model_copy(update={"counted": tally.counted + 1})


def _retry_kind(reason: Reason, tally: Tally) -> Retry:
    """Return the reason's kind of retry; the second lost result counts, since it is no accident."""
    if reason is Reason.RESULT_LOST and tally.result_lost:
        return Retry.COUNTED
    return reason.facts.retry
