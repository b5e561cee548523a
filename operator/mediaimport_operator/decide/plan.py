"""The plan for one import: the first policy that answers decides.

Each policy is named by the condition that it looks for, and returns None where that condition does not hold. What
happens never depends on `status.phase`, only when a change is shown does: a run is completed when `completedAt` is set
for the run that the spec asks for, an attempt has ended when the status has recorded its reason, and everything else
is read from Jobs and pods.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.names import LABEL_QUEUE, job_name, run_hash
from mediaimport_api.reasons import MAX_MESSAGE, Reason
from mediaimport_api.status import MAX_ATTEMPTS_SHOWN, ConditionType, Phase
from mediaimport_runtime.text import public

from mediaimport_operator.decide import history, notification, recording, retry
from mediaimport_operator.decide.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    HandOutCredentials,
    Plan,
    SetFinalizer,
    SlotRequest,
)
from mediaimport_operator.decide.attempt import Ended, Running, may_write
from mediaimport_operator.decide.deletion import resource_deleted
from mediaimport_operator.decide.observed import START_GRACE, Observed
from mediaimport_operator.decide.status import StatusBuilder, starting_message

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_operator.observe.job import Job

_POD_POLL = timedelta(seconds=30)
"""The Job controller reports pods that it cannot create by Events, which are not watched."""
_SHOWN_QUEUED = timedelta(seconds=10)
"""The time for which an import that has left the queue is still shown there, unless its importer runs earlier."""
_SHOWN_STARTING = timedelta(seconds=3)
"""The time for which a running importer is still shown as starting: most pictures are imported by then."""
_STOP_POLL = timedelta(seconds=2)
_SIDECAR_GRACE = timedelta(seconds=60)
"""The time after its importer's end in which a Job finishes by itself, unless an injected sidecar runs on."""
_PERSISTENT_REFUSALS = frozenset({Reason.JOB_NAME_TAKEN, Reason.CREDENTIALS_REFUSED})
_SUSPENDED = "someone has suspended the Job; set its spec.suspend to false, or delete the Job to get another one"
_IGNORED = f"its label {LABEL_QUEUE} is ignored, since the operator runs without Kueue (kueue.enabled)"


def plan(observed: Observed) -> Plan:
    """Return the next step of the import."""
    decided = next(answer for policy in POLICIES if (answer := policy(observed)) is not None)
    return decided.extended(_finalizer_actions(observed), None).extended(*_expired_jobs(observed))


# --- policies, in the order of POLICIES ---


def spec_invalid(o: Observed) -> Plan | None:
    """Fail an import whose spec passes the CRD's schema and is invalid all the same."""
    if o.resource.validation_error is None or o.resource.completed:
        return None
    builder = StatusBuilder(o, history.recorded_history(o.resource))
    return Plan(status=builder.failed(Reason.SPEC_INVALID, o.resource.validation_error))


def run_completed(o: Observed) -> Plan | None:
    """Leave a completed import alone; delete it once ttlSecondsAfterFinished is over and it is recorded."""
    resource = o.resource
    if not resource.completed:
        return None
    expiry, told_until = _ttl_expiry(o), notification.waits_until(o)
    if recording.is_awaited(o):
        # The webhook's annotation asks for the next reconcile.
        expiry = None
    if expiry is not None and o.now >= max(expiry, told_until or expiry):
        return Plan(actions=(DeleteResource(),))
    status = resource.status
    # A completed import is Reconciling only because a reconcile of it has failed.
    stale = status.observed_generation != resource.generation or status.condition(ConditionType.RECONCILING) is not None
    builder = StatusBuilder(o, history.recorded_history(resource))
    status = notification.with_deliveries(o, builder.acknowledged() if stale else status)
    status = recording.with_condition(o, status)
    expiry = None if expiry is None else max(expiry, told_until or expiry)
    requeue_at = min((at for at in (expiry, told_until) if at is not None), default=None)
    return Plan(status=None if status == resource.status else status, requeue_at=requeue_at)


def _ttl_expiry(o: Observed) -> datetime | None:
    completed_at, spec = o.resource.status.completed_at, o.resource.spec
    if completed_at is None or spec is None:
        return None
    ttl_s = spec.ttl_seconds_after_finished or recording.default_ttl_s(o, spec)
    return completed_at + timedelta(seconds=ttl_s) if ttl_s else None


def attempt_ended(o: Observed) -> Plan | None:
    """Record the end of an attempt before anything follows from it."""
    ended = o.history.state
    if not isinstance(ended, Ended):
        return None
    past = history.with_end(o.history, ended, log_tail=o.log_tail, now=o.now)
    if ended.reason is Reason.IMPORTED and ended.result is not None:
        return Plan(status=StatusBuilder(o, past).ready(ended.result), requeue_at=_cleanup_begins_at(o))
    match retry.retry_decision(ended, tally=past.tally, rules=o.retry_rules, now=o.now):
        case retry.GiveUp(reason, message):
            http_status = ended.result.http_status if ended.result else None
            return Plan(
                status=StatusBuilder(o, past).failed(reason, message, http_status), requeue_at=_cleanup_begins_at(o)
            )
        case retry.RetryAt(at):  # pragma: no branch - mypy knows that these are all
            at = max(at, history.stopped_by(ended, now=o.now))
            builder = StatusBuilder(o, replace(past, next_attempt_at=at))
            return Plan(status=builder.suspended() if o.spec.suspend else builder.waiting(), requeue_at=at)


def _cleanup_begins_at(o: Observed) -> datetime:
    """Return when a completed import is looked at for old Jobs: now, unless the end of a Job is still to come."""
    is_running = any(o.is_current(job) and not (job.finished or job.deleting) for job in o.jobs)
    return o.now + _SIDECAR_GRACE if is_running and len(o.jobs) == 1 else o.now


def suspend_requested(o: Observed) -> Plan | None:
    """Stop the running attempt of an import whose author has set spec.suspend, and start nothing."""
    if not o.spec.suspend:
        return None
    if o.history.state is None:
        return Plan(status=StatusBuilder(o, o.history).suspended())
    stopped = history.with_stop(o.history, Reason.SUSPENDED, now=o.now)
    deletions = tuple(DeleteJob(job.name, job.uid) for job in o.jobs if o.is_current(job))
    return Plan(status=StatusBuilder(o, stopped).suspended(), actions=deletions)


def credentials_missing(o: Observed) -> Plan | None:
    """Hand out credentials to a Job that has none: the operator has restarted, or Kueue has just resumed the Job."""
    job, refusal = o.job_without_credentials, o.refusal
    if job is None:
        return None
    if refusal is not None and o.now < refusal.retry_at:
        status = StatusBuilder(o, o.history).pending(refusal.reason, refusal.message)
        return Plan(status=status, slot=_slot_in_use(o), requeue_at=refusal.retry_at)
    return Plan(actions=(HandOutCredentials(job.name, job.uid),), slot=_slot_in_use(o), requeue_at=o.now)


def attempt_running(o: Observed) -> Plan | None:
    """Show how far a running attempt is, or the reason that keeps it from starting."""
    state = o.history.state
    if not isinstance(state, Running):
        return None
    builder = StatusBuilder(o, o.history)
    if any(job.suspended and o.is_current(job) for job in o.jobs):
        return Plan(status=builder.queued() if o.managed_by_kueue else builder.pending(Reason.STARTING, _SUSPENDED))
    if (at := _shown_importing_at(o, state)) is not None:
        return Plan(slot=_slot_in_use(o), requeue_at=min(at, state.recheck_at or at))
    if state.importing_since is not None:
        follow = state.pod_name
        return Plan(status=builder.importing(), slot=_slot_in_use(o), follow=follow, requeue_at=state.recheck_at)
    return _attempt_starting(o, state, builder)


def _attempt_starting(o: Observed, state: Running, builder: StatusBuilder) -> Plan:
    """Return the plan of an attempt whose importer does not run yet."""
    if (at := _shown_starting_at(o)) is not None:
        return Plan(slot=_slot_in_use(o), requeue_at=at)
    if o.now < o.start_grace_ends_at:
        message = _starting(o, o.history.number)
        # Nothing but the pod's name is new: a later write shows it.
        status = None if _shows(o, Reason.STARTING, message) else builder.pending(Reason.STARTING, message)
        return Plan(status=status, slot=_slot_in_use(o), requeue_at=o.start_grace_ends_at)
    requeue_at = o.now + _POD_POLL if o.job_missing_pod is not None else state.recheck_at
    return Plan(status=builder.pending(*_pending_condition(o, state)), slot=_slot_in_use(o), requeue_at=requeue_at)


def _shown_importing_at(o: Observed, state: Running) -> datetime | None:
    """Return when a running importer is shown; None if it is shown now, or none runs.

    Of an import that ends before, nobody would see it; the log, too, is followed only then.
    """
    since, status = state.importing_since, o.resource.status
    if since is None or status.phase is Phase.IMPORTING or not (_is_recorded(o) or _shown_in_queue(o)):
        return None
    # A node's clock may be ahead.
    return since + _SHOWN_STARTING if since <= o.now < since + _SHOWN_STARTING else None


def _is_recorded(o: Observed) -> bool:
    """Return whether the status knows the newest attempt."""
    return history.recorded_history(o.resource).number == o.history.number


def _shows(o: Observed, reason: Reason, message: str) -> bool:
    """Return whether the status shows that of the newest attempt, and of this generation."""
    status = o.resource.status
    shown = status.condition(ConditionType.READY)
    is_current = _is_recorded(o) and status.observed_generation == o.resource.generation
    return is_current and shown is not None and (shown.reason, shown.message) == (reason, message)


def _shown_starting_at(o: Observed) -> datetime | None:
    """Return when an attempt that has left the queue is shown as starting; None if it is shown now.

    Under load the status write saved here is a third of all writes, and it repeats what the Job shows.
    """
    last = o.history.last
    if not _shown_in_queue(o) or last is None or last.started_at is None:
        return None
    at = last.started_at + _SHOWN_QUEUED
    return at if o.now < at else None


def _shown_in_queue(o: Observed) -> bool:
    return o.resource.status.phase is Phase.QUEUED and o.resource.queue is None


def _slot_in_use(o: Observed) -> SlotRequest:
    return SlotRequest.NONE if o.managed_by_kueue else SlotRequest.USED


def _starting(o: Observed, number: int) -> str:
    ignored = [_IGNORED] if o.resource.queue is not None and not o.settings.kueue else []
    unknown = [f"{each} is ignored, since this release does not know it" for each in o.resource.unknown_fields]
    return "; ".join((starting_message(number), *ignored, *unknown))


def _pending_condition(o: Observed, state: Running) -> tuple[Reason, str]:
    """Return the reason why an attempt has not started in time, as pod or Job controller report it."""
    number = o.history.number
    if state.pending_reason is not None:
        return state.pending_reason.reason, state.pending_reason.message
    if o.pod_refusal is not None:
        return Reason.POD_REFUSED, public(o.pod_refusal, MAX_MESSAGE)
    if state.pod_name is None:
        return Reason.STARTING, f"attempt {number} has a Job, but no pod yet; kubectl describe job shows why"
    return Reason.STARTING, _starting(o, number)


def retry_not_due(o: Observed) -> Plan | None:
    """Wait for the backoff before the next attempt to end."""
    at = o.history.next_attempt_at
    if at is None or o.now >= at:
        return None
    return Plan(status=StatusBuilder(o, o.history).waiting(), requeue_at=at)


def job_refused(o: Observed) -> Plan | None:
    """Wait before a refused Job is created again; show the refusal after the grace.

    A Job's name that is taken and credentials that are refused are shown at once and hold no slot: they do not become
    free by themselves, and other imports may have others. A quota may, but not soon: after the grace, imports of other
    namespaces get the slot.
    """
    refusal = o.refusal
    if refusal is None or o.now >= refusal.retry_at:
        return None
    persistent = refusal.reason in _PERSISTENT_REFUSALS
    shown = persistent or o.now >= refusal.since + START_GRACE
    if shown:
        status = StatusBuilder(o, o.history).pending(refusal.reason, refusal.message)
    else:
        status = StatusBuilder(o, o.history).pending(Reason.STARTING, _starting(o, o.history.number + 1))
    waives_slot = persistent or (shown and refusal.reason is Reason.JOB_REFUSED)
    return Plan(status=status, slot=SlotRequest.NONE if waives_slot else _slot_in_use(o), requeue_at=refusal.retry_at)


def earlier_importer_stops(o: Observed) -> Plan | None:
    """Wait until the importer of an earlier attempt, or run, can write no more: an import has one at a time.

    Its Job is deleted as one that is no longer needed. Its pod may outlive the Job.
    """
    jobs = any(not (job.finished or job.deleting or _importer_ended_at(o, job)) for job in o.jobs)
    pods = [pod.name for pod in (*o.pods, *o.orphaned_pods) if may_write(pod, now=o.now)]
    unseen = (history.stop_of_last_run(o.resource) or o.now) > o.now
    if not (jobs or pods or unseen):
        return None
    slot = _slot_in_use(o) if o.slot.held else SlotRequest.NONE
    named = f" (pod {pods[0]})" if pods else ""
    message = f"waits until the importer before it{named} has stopped"
    # What nobody has seen is known from the status of the earlier run only: it stays until then.
    status = StatusBuilder(o, o.history).pending(Reason.STARTING, message) if jobs or pods else None
    return Plan(status=status, slot=slot, requeue_at=o.now + _STOP_POLL)


def attempt_due(o: Observed) -> Plan | None:
    """Create the next attempt's Job in a slot, or queue for one. Always answers."""
    if not (o.slot.held or o.managed_by_kueue):
        return Plan(status=StatusBuilder(o, o.history).queued(), slot=SlotRequest.WANTED)
    number = o.history.number + 1
    create = CreateJob(attempt=number, more_memory=o.history.tally.out_of_memory > 0)
    if _shown_in_queue(o):
        return Plan(actions=(create,), slot=_slot_in_use(o), requeue_at=o.now + _SHOWN_QUEUED)
    resource = o.resource
    name = job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=number)
    begun = history.with_new_attempt(o.history, number=number, name=name, at=o.now)
    status = StatusBuilder(o, begun).pending(Reason.STARTING, _starting(o, number))
    # A Job without a pod tells nothing: its refusals are Events, which are not watched.
    requeue_at = o.now if o.managed_by_kueue else o.now + START_GRACE  # Kueue's Job starts suspended: show it as queued
    return Plan(status=status, actions=(create,), slot=_slot_in_use(o), requeue_at=requeue_at)


POLICIES: tuple[Callable[[Observed], Plan | None], ...] = (
    resource_deleted,  # stop the importer, delete the stored objects, remove the finalizer
    spec_invalid,  # fail without a Job
    run_completed,  # nothing to do until the TTL ends
    attempt_ended,  # record the end: Ready, Failed, or a retry with backoff
    suspend_requested,  # stop the running attempt
    credentials_missing,  # hand them out to the Job
    attempt_running,  # show progress, or the reason that keeps the pod from starting
    retry_not_due,  # wait for the backoff
    job_refused,  # wait before the Job is created again
    earlier_importer_stops,  # wait for it
    attempt_due,  # queue for a slot, or create the Job
)
"""The policies, in the order in which they are asked."""


# --- finalizer and expired Jobs ---


def _finalizer_actions(o: Observed) -> tuple[Action, ...]:
    """Return the change that gives the finalizer to resources with deletionPolicy Delete, and to no others."""
    resource = o.resource
    stores = resource.spec is not None or resource.status.asset is not None
    if (
        resource.deleting
        or resource.has_finalizer == resource.deletes_objects
        or not (stores or resource.has_finalizer)
    ):
        return ()
    return (SetFinalizer(present=resource.deletes_objects),)


def _expired_jobs(o: Observed) -> tuple[tuple[Action, ...], datetime | None]:
    """Return deletions of Jobs that are no longer needed, and the time when the next one is due."""
    if o.resource.deleting:
        return (), None
    due = [(job, at) for job in o.jobs if not job.deleting and (at := _job_expiry(o, job)) is not None]
    actions = tuple(DeleteJob(job.name, job.uid) for job, at in due if at <= o.now)
    return actions, min((at for _, at in due if at > o.now), default=None)


def _job_expiry(o: Observed, job: Job) -> datetime | None:
    """Return when a Job is deleted: never before the API server has the attempt's end in the status."""
    of_this_run = job.run_hash == run_hash(o.resource.run)
    recorded = history.recorded_end(o.resource, job.attempt) if of_this_run else None
    if of_this_run and recorded is None:
        return None
    if not job.finished:
        ended_at = _importer_ended_at(o, job)
        return o.now if ended_at is None else ended_at + _SIDECAR_GRACE
    if of_this_run and job.attempt <= history.recorded_history(o.resource).number - MAX_ATTEMPTS_SHOWN:
        # A store that is away for a day must not leave hundreds of Jobs behind.
        return o.now
    imported = recorded is not None and recorded.reason is Reason.IMPORTED
    kept_s = o.settings.successful_job_s if imported else o.settings.failed_job_s
    return (job.finished_at or job.created_at or o.now) + timedelta(seconds=kept_s)


def _importer_ended_at(o: Observed, job: Job) -> datetime | None:
    """Return when the importer has ended by itself; None while it runs."""
    of_job = (pod for pod in o.pods if (pod.run_hash, pod.attempt) == (job.run_hash, job.attempt))
    ends = [pod.importer.terminated for pod in of_job if pod.importer.terminated is not None]
    return max((end.finished_at or o.now for end in ends), default=None)
