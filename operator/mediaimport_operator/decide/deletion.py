"""What to do for an import that is being deleted: under `deletionPolicy: Delete` its stored objects go first. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_operator.decide import history
from mediaimport_operator.decide.actions import CreateEraser, DeleteJob, LetGo, Plan, Slot
from mediaimport_operator.decide.attempt import LOST_AFTER
from mediaimport_operator.decide.status import Draft

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Status

    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.observe.pod import Pod

PATIENCE = timedelta(minutes=10)
"""How long a deletion may fail before the resource is let go without it."""
_LOOK = timedelta(seconds=1)
_LOOK_AT_IMPORTER = timedelta(seconds=5)


def plan(o: Observed) -> Plan | None:
    """Return what comes next for a resource on its way out, None for any other."""
    resource = o.resource
    if not resource.deleting:
        return None
    if not resource.held:
        # Its Jobs go with it.
        return Plan()
    if resource.spec is None or not resource.deletes_objects:
        return Plan(actions=(LetGo(),))
    return _importer_first(o) or _eraser(o) or _start(o)


def _importer_first(o: Observed) -> Plan | None:
    """Stop the importer, and wait until it can write no more."""
    jobs = tuple(DeleteJob(job.name, job.uid) for job in o.jobs if not job.deleting)
    if not jobs and not any(_may_write(pod, now=o.now) for pod in o.pods):
        return None
    status = _status(o, "waits for its importer to stop")
    return Plan(status=status, actions=jobs, slot=Slot.USED, wake_at=o.now + _LOOK_AT_IMPORTER)


def _may_write(pod: Pod, *, now: datetime) -> bool:
    lost = pod.grace_ends_at is not None and now > pod.grace_ends_at + LOST_AFTER
    return not (pod.gone or lost or pod.importer.terminated is not None or pod.phase in {"Succeeded", "Failed"})


def _eraser(o: Observed) -> Plan | None:
    eraser = o.eraser
    if eraser is None:
        return None
    if eraser.complete:
        return Plan(actions=(LetGo(),))
    overdue = eraser.created_at is not None and o.now > eraser.created_at + PATIENCE + LOST_AFTER
    if eraser.failed or overdue:
        return Plan(actions=(LetGo(left=eraser.words or "the Job that deletes them did not come to its end"),))
    words = f"its stored objects are being deleted; so far in vain: {eraser.words}" if eraser.words else None
    status = _status(o, words or "its stored objects are being deleted")
    return Plan(status=status, slot=Slot.USED, wake_at=o.now + _LOOK)


def _start(o: Observed) -> Plan:
    if (refused := _refused(o)) is not None:
        return refused
    if not o.slot.held:
        status = _status(o, f"waits for a slot to delete its stored objects: {o.slot.full}")
        return Plan(status=status, slot=Slot.WANTED)
    status = _status(o, "its stored objects are being deleted")
    return Plan(status=status, actions=(CreateEraser(),), slot=Slot.USED, wake_at=o.now + _LOOK)


def _refused(o: Observed) -> Plan | None:
    refusal, deleted_at = o.refusal, o.resource.deleted_at
    if refusal is None or deleted_at is None:
        return None
    # The operator's own namespace goes: nothing can start in it any more.
    hopeless = "being terminated" in refusal.message and o.resource.namespace == o.settings.operator_namespace
    if hopeless or o.now > max(refusal.since, deleted_at) + PATIENCE:
        return Plan(actions=(LetGo(left=refusal.message),))
    if o.now >= refusal.retry_at:
        return None
    status = _status(o, f"its stored objects cannot be deleted yet: {refusal.message}")
    return Plan(status=status, slot=Slot.USED, wake_at=refusal.retry_at)


def _status(o: Observed, message: str) -> Status:
    return Draft(o, history.remembered(o.resource)).deleting(message)
