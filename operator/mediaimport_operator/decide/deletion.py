"""Policies for a MediaImport that is being deleted: under `deletionPolicy: Delete` its stored objects go first.

The importer stops, the cleanup Job deletes the objects, the finalizer is removed. Whether this release refuses the spec
does not matter: an earlier one may have stored the asset. A cleanup that fails for ten minutes
leaves orphaned objects: the finalizer is removed all the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import AssetEvent, ConditionType

from mediaimport_operator.decide.actions import (
    CreateCleanupJob,
    DeleteJob,
    HandOutCredentials,
    Plan,
    RemoveFinalizer,
    SlotRequest,
)
from mediaimport_operator.decide.attempt import NODE_LOST_AFTER, may_write
from mediaimport_operator.decide.history import recorded_history
from mediaimport_operator.decide.notification import GIVEN_UP_AFTER, deletion_event, pending, with_deliveries
from mediaimport_operator.decide.status import StatusBuilder

if TYPE_CHECKING:
    from mediaimport_api.status import Status

    from mediaimport_operator.decide.observed import Observed

CLEANUP_TIMEOUT = timedelta(minutes=10)
"""The time for which a cleanup may fail before the finalizer is removed without it."""
_UNKNOWN_ASSET = "its spec says neither its user nor its source"
_LAST_TRY = "; the last try failed: "
_CLEANUP_POLL = timedelta(seconds=1)
_TOLD_POLL = timedelta(seconds=5)
_IMPORTER_POLL = timedelta(seconds=5)


def resource_deleted(o: Observed) -> Plan | None:
    """Return the next step of a deletion; None for a resource that is not being deleted."""
    resource = o.resource
    if not resource.deleting:
        return None
    if not resource.has_finalizer:
        # The garbage collector deletes its Jobs: they have an ownerReference.
        return Plan()
    if not resource.deletes_objects:
        return Plan(actions=(RemoveFinalizer(),))
    if not resource.user_id or resource.fingerprint is None:
        # Neither a status nor a spec that can be read: the finalizer was set by another release, or by hand.
        return Plan(actions=(RemoveFinalizer(orphan_reason=_UNKNOWN_ASSET),))
    return (
        _deletion_told(o)
        or _importer_may_write(o)
        or _cleanup_job_exists(o)
        or _cleanup_job_refused(o)
        or _cleanup_due(o)
    )


def _importer_may_write(o: Observed) -> Plan | None:
    """Stop the importer, and wait until it can write no more."""
    jobs = tuple(DeleteJob(job.name, job.uid) for job in o.jobs if not job.deleting)
    if not jobs and not any(may_write(pod, now=o.now) for pod in (*o.pods, *o.orphaned_pods)):
        return None
    if o.resource.deleted_at is not None and o.now > o.resource.deleted_at + CLEANUP_TIMEOUT:
        # In a namespace that is deleted, too, the RoleBinding may go first: then no watch shows that the pods are gone.
        return None
    status = _status(o, "waits for its importer to stop")
    return Plan(status=status, actions=jobs, slot=SlotRequest.USED, requeue_at=o.now + _IMPORTER_POLL)


def _cleanup_job_exists(o: Observed) -> Plan | None:
    """Remove the finalizer once the cleanup Job has ended; poll it until then, since no watch shows it."""
    job = o.cleanup_job
    if job is None:
        return None
    if job.complete:
        return _deletion_announced(o) or Plan(actions=(RemoveFinalizer(),))
    timed_out = job.created_at is not None and o.now > job.created_at + CLEANUP_TIMEOUT + NODE_LOST_AFTER
    if job.failed or timed_out:
        cause = job.last_error or _shown_error(o) or "the cleanup Job did not complete"
        return Plan(actions=(RemoveFinalizer(orphan_reason=cause),))
    if (plan := _credentials_missing(o)) is not None:
        return plan
    # While a try runs, the error of the one before stays shown.
    error = job.last_error or _shown_error(o)
    status = _status(o, f"its stored objects are being deleted{_LAST_TRY + error if error else ''}")
    return Plan(status=status, slot=SlotRequest.USED, requeue_at=o.now + _CLEANUP_POLL)


def _deletion_announced(o: Observed) -> Plan | None:
    """Record that endpoints are to be told of the deletion; None if none is, or it took too long already."""
    status, deleted_at = StatusBuilder(o, recorded_history(o.resource)).deleted(), o.resource.deleted_at
    told = status.notification
    if told is None or told.event is not AssetEvent.DELETED:
        return None
    # Where no status can be written, in a namespace that is deleted, only the memory has what was delivered.
    unwritten = {each.endpoint for each in o.deliveries}
    left = set(pending(status, events=o.settings.events, user_id=o.resource.user_id)) - unwritten
    too_late = deleted_at is not None and o.now >= deleted_at + GIVEN_UP_AFTER
    if too_late or not left:
        return None
    return Plan(status=status, requeue_at=o.now + _TOLD_POLL)


def _deletion_told(o: Observed) -> Plan | None:
    """Keep a resource whose stored objects are deleted until all endpoints are told, a day at most."""
    status = o.resource.status
    told = deletion_event(o.resource)
    if told is None:
        return None
    recorded = with_deliveries(o, status)
    if recorded != status:
        return Plan(status=recorded, requeue_at=o.now)
    until = told.at + GIVEN_UP_AFTER
    # A replay may be pending longer; it holds up no deletion.
    if o.now < until and pending(status, events=o.settings.events, user_id=o.resource.user_id):
        return Plan(requeue_at=until)
    return Plan(actions=(RemoveFinalizer(),))


def _shown_error(o: Observed) -> str | None:
    """Return the error that the status shows: the Job controller deletes the pod of a Job whose deadline is over."""
    shown = o.resource.status.condition(ConditionType.READY)
    deleting = shown is not None and shown.reason == Reason.DELETING
    return (shown.message.partition(_LAST_TRY)[2] or None) if shown is not None and deleting else None


def _credentials_missing(o: Observed) -> Plan | None:
    """Hand out credentials to a cleanup Job of an operator that has restarted since."""
    job, refusal = o.cleanup_job_without_credentials, o.refusal
    if job is None:
        return None
    if refusal is not None and o.now < refusal.retry_at:
        status = _status(o, f"its stored objects cannot be deleted yet: {refusal.message}")
        return Plan(status=status, slot=SlotRequest.USED, requeue_at=refusal.retry_at)
    action = HandOutCredentials(job.name, job.uid)
    return Plan(actions=(action,), slot=SlotRequest.USED, requeue_at=o.now + _CLEANUP_POLL)


def _cleanup_job_refused(o: Observed) -> Plan | None:
    """Wait until the API server may accept the cleanup Job; give up after CLEANUP_TIMEOUT."""
    refusal, deleted_at = o.refusal, o.resource.deleted_at
    if refusal is None or deleted_at is None:
        return None
    # Nothing can start in the operator's own namespace while that is being terminated.
    terminating = "being terminated" in refusal.message and o.resource.namespace == o.settings.operator_namespace
    if terminating or o.now > max(refusal.since, deleted_at) + CLEANUP_TIMEOUT:
        return Plan(actions=(RemoveFinalizer(orphan_reason=refusal.message),))
    if o.now >= refusal.retry_at:
        return None
    status = _status(o, f"its stored objects cannot be deleted yet: {refusal.message}")
    return Plan(status=status, slot=SlotRequest.USED, requeue_at=refusal.retry_at)


def _cleanup_due(o: Observed) -> Plan:
    """Create the cleanup Job, in a slot."""
    if not o.slot.held:
        status = _status(o, f"waits for a slot to delete its stored objects: {o.slot.wait_reason}")
        return Plan(status=status, slot=SlotRequest.WANTED)
    status = _status(o, "its stored objects are being deleted")
    requeue_at = o.now + _CLEANUP_POLL
    return Plan(status=status, actions=(CreateCleanupJob(),), slot=SlotRequest.USED, requeue_at=requeue_at)


def _status(o: Observed, message: str) -> Status:
    return StatusBuilder(o, recorded_history(o.resource)).deleting(message)
