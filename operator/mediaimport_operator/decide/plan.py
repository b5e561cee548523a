"""What to do next for one import. Pure: `Observed` in, `Plan` out; the first policy that has an answer gives it.

Nothing here decides by `status.phase`. An import is over when `completedAt` is set for the run that the spec asks for,
an attempt when the status holds its reason; everything else is read from Jobs and pods.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.names import LABEL_QUEUE, job_name, run_hash
from mediaimport_api.reasons import Reason
from mediaimport_api.status import MAX_MESSAGE, ConditionType, Phase
from mediaimport_runtime.text import public

from mediaimport_operator.decide import deletion, history, retry
from mediaimport_operator.decide.actions import CreateJob, DeleteJob, DeleteResource, Hold, Plan, Slot
from mediaimport_operator.decide.attempt import Ended, Running
from mediaimport_operator.decide.observed import GRACE
from mediaimport_operator.decide.status import Draft

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_api.status import Status

    from mediaimport_operator.decide.actions import Action
    from mediaimport_operator.decide.history import History
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.observe.job import Job

_LOOK_AGAIN = timedelta(seconds=30)
"""The Job controller tells of pods that it cannot create by Events, which are not watched."""
_SOON = timedelta(seconds=10)
"""What waited in the queue is shown there so much longer, unless its importer runs before."""
_SUSPENDED = "someone has suspended the Job; set its spec.suspend to false, or delete it for another"
_IGNORED = f"its label {LABEL_QUEUE} is ignored, since the operator runs without Kueue (kueue.enabled)"


def plan(observed: Observed) -> Plan:
    """Return what to do next."""
    made = next(made for policy in POLICIES if (made := policy(observed)) is not None)
    return made.also(_hold(observed), None).also(*_tidy(observed))


def _invalid(o: Observed) -> Plan | None:
    if o.resource.problem is None or o.resource.completed:
        return None
    draft = Draft(o, history.remembered(o.resource))
    return Plan(status=draft.failed(Reason.SPEC_INVALID, o.resource.problem))


def _over(o: Observed) -> Plan | None:
    """Leave what is over, until its time to live ends."""
    resource = o.resource
    if not resource.completed:
        return None
    expiry = _expiry(o)
    if expiry is not None and o.now >= expiry:
        return Plan(actions=(DeleteResource(),))
    status = resource.status
    # Nothing is under way: Reconciling is there only because a pass failed.
    stale = status.observed_generation != resource.generation or status.condition(ConditionType.RECONCILING) is not None
    draft = Draft(o, history.remembered(resource))
    return Plan(status=draft.seen() if stale else None, wake_at=expiry)


def _expiry(o: Observed) -> datetime | None:
    completed_at, spec = o.resource.status.completed_at, o.resource.spec
    if completed_at is None or spec is None or spec.ttl_seconds_after_finished is None:
        return None
    return completed_at + timedelta(seconds=spec.ttl_seconds_after_finished)


def _ended(o: Observed) -> Plan | None:
    """Enter the end of an attempt into the status before anything follows from it; then another pass tidies up.

    Nothing else might cause one: the last word of Job and pod may have been seen already.
    """
    ended = o.history.state
    if not isinstance(ended, Ended):
        return None
    past = history.end(o.history, ended, log_tail=o.log_tail, now=o.now)
    if ended.reason is Reason.IMPORTED and ended.result is not None:
        return Plan(status=Draft(o, past).ready(ended.result), wake_at=o.now)
    match retry.after(ended, tally=past.tally, rules=o.rules, now=o.now):
        case retry.GiveUp(reason, message):
            http_status = ended.result.http_status if ended.result else None
            return Plan(status=Draft(o, past).failed(reason, message, http_status), wake_at=o.now)
        case retry.Again(at):
            waiting = replace(past, next_attempt_at=at)
            return Plan(status=_between(o, waiting), wake_at=at)


def _between(o: Observed, past: History) -> Status:
    draft = Draft(o, past)
    return draft.suspended() if o.spec.suspend else draft.waiting()


def _suspended(o: Observed) -> Plan | None:
    if not o.spec.suspend:
        return None
    if o.history.state is None:
        return Plan(status=Draft(o, o.history).suspended())
    stopped = history.stop(o.history, Reason.SUSPENDED, now=o.now)
    jobs = [job for job in o.jobs if o.is_current(job)]
    return Plan(status=Draft(o, stopped).suspended(), actions=tuple(DeleteJob(job.name, job.uid) for job in jobs))


def _running(o: Observed) -> Plan | None:
    state = o.history.state
    if not isinstance(state, Running):
        return None
    draft = Draft(o, o.history)
    if any(job.suspended and o.is_current(job) for job in o.jobs):
        return Plan(status=draft.queued() if o.left_to_kueue else draft.pending(Reason.STARTING, _SUSPENDED))
    if state.importing_since is not None:
        return Plan(status=draft.importing(), slot=_slot(o), follow=state.pod_name)
    if (at := _shown_starting_at(o)) is not None:
        return Plan(slot=_slot(o), wake_at=at)
    if o.now < o.trouble_shown_at:
        status = draft.pending(Reason.STARTING, _starting(o, o.history.number))
        return Plan(status=status, slot=_slot(o), wake_at=o.trouble_shown_at)
    wake_at = o.now + _LOOK_AGAIN if o.podless is not None else None
    return Plan(status=draft.pending(*_hindrance(o, state)), slot=_slot(o), wake_at=wake_at)


def _shown_starting_at(o: Observed) -> datetime | None:
    """Return when an attempt that comes from the queue is shown as starting; None if it is, or is to be now.

    Under load that is a third of all that would be written, to say what its Job says too.
    """
    last = o.history.last
    if not _in_queue(o) or last is None or last.started_at is None:
        return None
    at = last.started_at + _SOON
    return at if o.now < at else None


def _in_queue(o: Observed) -> bool:
    """Tell whether the status shows the import in the queue of our own caps."""
    return o.resource.status.phase is Phase.QUEUED and o.resource.queue is None


def _slot(o: Observed) -> Slot:
    return Slot.NONE if o.left_to_kueue else Slot.USED


def _starting(o: Observed, number: int) -> str:
    ignored = o.resource.queue is not None and not o.settings.kueue
    return f"attempt {number} is being started" + (f"; {_IGNORED}" if ignored else "")


def _hindrance(o: Observed, state: Running) -> tuple[Reason, str]:
    """Return why an attempt has not come to run in its time, as far as pod and Job controller tell."""
    number = o.history.number
    if state.trouble is not None:
        return state.trouble.reason, state.trouble.message
    if o.pod_refusal is not None:
        return Reason.POD_REFUSED, public(o.pod_refusal, MAX_MESSAGE)
    if state.pod_name is None:
        return Reason.STARTING, f"attempt {number} has a Job, but no pod yet; kubectl describe job says why"
    return Reason.STARTING, _starting(o, number)


def _waiting(o: Observed) -> Plan | None:
    at = o.history.next_attempt_at
    if at is None or o.now >= at:
        return None
    return Plan(status=Draft(o, o.history).waiting(), wake_at=at)


def _refused(o: Observed) -> Plan | None:
    """Wait for the cause to go, and say what it is. A name that is taken must not hold a slot; a quota may."""
    refusal = o.refusal
    if refusal is None or o.now >= refusal.retry_at:
        return None
    shown = o.now >= refusal.since + GRACE or refusal.reason is Reason.JOB_NAME_TAKEN
    draft = Draft(o, o.history)
    cause = (refusal.reason, refusal.message) if shown else (Reason.STARTING, _starting(o, o.history.number + 1))
    slot = Slot.NONE if refusal.reason is Reason.JOB_NAME_TAKEN else _slot(o)
    return Plan(status=draft.pending(*cause), slot=slot, wake_at=refusal.retry_at)


def _start(o: Observed) -> Plan | None:
    if not (o.slot.held or o.left_to_kueue):
        return Plan(status=Draft(o, o.history).queued(), slot=Slot.WANTED)
    number = o.history.number + 1
    create = CreateJob(attempt=number, more_memory=o.history.tally.out_of_memory > 0)
    if _in_queue(o):
        return Plan(actions=(create,), slot=_slot(o), wake_at=o.now + _SOON)
    resource = o.resource
    name = job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=number)
    begun = history.begin(o.history, number=number, name=name, at=o.now)
    status = Draft(o, begun).pending(Reason.STARTING, _starting(o, number))
    return Plan(status=status, actions=(create,), slot=_slot(o))


POLICIES: tuple[Callable[[Observed], Plan | None], ...] = (
    deletion.plan,
    _invalid,
    _over,
    _ended,
    _suspended,
    _running,
    _waiting,
    _refused,
    _start,
)
"""In the order in which they are asked; the last one always answers."""


def _hold(o: Observed) -> tuple[Action, ...]:
    """Return what makes the finalizer be there exactly with the policy that needs it."""
    resource = o.resource
    if resource.deleting or resource.spec is None or resource.held == resource.deletes_objects:
        return ()
    return (Hold(on=resource.deletes_objects),)


def _tidy(o: Observed) -> tuple[tuple[Action, ...], datetime | None]:
    """Return deletions of Jobs that have served, and when the next one is due."""
    if o.resource.deleting:
        return (), None
    due = [(job, at) for job in o.jobs if not job.deleting and (at := _delete_at(o, job)) is not None]
    actions = tuple(DeleteJob(job.name, job.uid) for job, at in due if at <= o.now)
    return actions, min((at for _, at in due if at > o.now), default=None)


def _delete_at(o: Observed, job: Job) -> datetime | None:
    """Return when a Job is to go: never before its attempt's end is in the status as the API server has it."""
    of_this_run = job.run_hash == run_hash(o.resource.run)
    known = history.recorded(o.resource, job.attempt) if of_this_run else None
    if of_this_run and known is None:
        return None
    if not job.finished:
        return None if _is_ending(o, job) else o.now
    kept_s = o.settings.failed_job_s
    if known is not None and known.reason is Reason.IMPORTED:
        kept_s = o.settings.successful_job_s
    return (job.finished_at or job.created_at or o.now) + timedelta(seconds=kept_s)


def _is_ending(o: Observed, job: Job) -> bool:
    """Tell whether the importer has ended by itself, so that the Job will soon be finished."""
    return any(
        pod.importer.terminated is not None
        for pod in o.pods
        if (pod.run_hash, pod.attempt) == (job.run_hash, job.attempt)
    )
