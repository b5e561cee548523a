"""The state of an attempt, as its Job and pod show it.

    Job created ──> Running ─────> Running ─────────────> Running ──────────> Ended
                    no pod yet     pending_reason:        importing_since     by the pod, else by exit code and result
                      │            image, node, config      │
                      │              │                      │
                      └──────────────┴──────────────────────┴──> Ended: Disrupted          Job or pod deleted, node lost
                                                                 Ended: DeadlineExceeded   the Job's deadline is over
                                                                 Ended: Unschedulable, …   it is, and no importer ran
                                                                 Ended: ResultLost         the pod is gone, Job complete

The order of the checks is the meaning: the pod's status decides first, then the exit code, then the result. The end of
the importer's container ends the attempt at once: the pod's phase follows a second later, the Job's condition two, and
neither comes while an injected sidecar runs on. An attempt whose Job is over has not ended while its pod may write:
until the importer has stopped, or its node is lost.

Kueue, or a person, may suspend a Job and resume it: its importer is stopped, and another pod begins again. That is the
same attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.reasons import MAX_MESSAGE, ExitCode, Reason
from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mediaimport_api.result import Result

    from mediaimport_operator.observe.job import Container, Job, Pod, ResultValidator, Terminated

NODE_LOST_AFTER = timedelta(seconds=60)
"""The time past its grace after which a pod that is still Terminating counts as one on a dead node."""
TERMINATION_GRACE = timedelta(seconds=30)
"""The time that the kubelet gives an importer to stop, also one whose pod was deleted by force."""
_STOP_GRACE = timedelta(seconds=30)
"""The time in which the Job shows who stopped an importer. It never does so while an injected sidecar runs on."""

_RESUMED_WITHIN = timedelta(seconds=2)
"""The Job controller creates a pod shortly before it notes that it resumes the Job; times are whole seconds."""

_DEADLINE_EXCEEDED = "DeadlineExceeded"
_SIGKILL_EXIT, _SIGTERM_EXIT = 137, 143
_NOT_STARTED_ERRORS = frozenset({"StartError", "ContainerCannotRun"})
_STOPPED_EXITS = frozenset({ExitCode.INTERRUPTED.value, _SIGKILL_EXIT, _SIGTERM_EXIT})
_PULL_FAILURES = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG_FAILURES = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"}
)


@dataclass(frozen=True)
class PendingReason:
    """The cause that keeps a pod from starting."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Running:
    """An attempt that has not ended. `importing_since` is the start of the importer's container.

    At `recheck_at` it may have ended without an event of Job or pod.
    """

    pod_name: str | None = None
    importing_since: datetime | None = None
    pending_reason: PendingReason | None = None
    recheck_at: datetime | None = None


@dataclass(frozen=True)
class Ended:
    """An attempt that has ended. `result` is validated.

    `confirmed` is False if only the absence of Job or pod says so: a stale cache can show that too.
    `importer_stopped` is False if nobody has seen the importer stop: a pod that was deleted by force may run on.
    """

    reason: Reason
    message: str
    pod_name: str | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    result: Result | None = None
    confirmed: bool = True
    importer_stopped: bool = True


def attempt_state(  # noqa: PLR0911 - each return is one state
    *,
    job: Job | None,
    pods: Sequence[Pod],
    validator: ResultValidator,
    now: datetime,
    shown: PendingReason | None = None,
) -> Running | Ended:
    """Return the attempt's state at that time; `shown` is the status's reason why its importer does not run yet.

    A pod that never ran is soon gone: then only the status tells why.
    """
    pod = _decisive_pod([each for each in pods if not _was_suspended(each, job)])
    deadline_exceeded = job is not None and job.failure_reason == _DEADLINE_EXCEEDED
    if pod is not None and pod.importer.terminated is not None and not (deadline_exceeded and _unstarted(pod, shown)):
        return _state_of_terminated(pod, pod.importer.terminated, job, validator, now)
    if pod is not None and pod.phase == "Failed" and not deadline_exceeded:
        return _end_of_failed_pod(pod)
    if pod is not None and may_write(pod, now=now) and not (job is not None and job.complete):
        return _running(pod)
    never_ran = _never_ran(pod, shown)
    if job is None or job.deleting:
        return _unseen(Reason.DISRUPTED, "the Job was deleted before the attempt ended", pod, job, never_ran)
    if job.failure_reason is not None:
        return _end_of_failed_job(job, pod, never_ran)
    if job.complete:
        return _unconfirmed(Reason.RESULT_LOST, "the Job is complete, but its pod is gone", pod)
    if pod is not None and _on_lost_node(pod, now):
        return Ended(Reason.DISRUPTED, "the pod stays Terminating; its node is lost", pod_name=pod.name)
    return _running(None if pod is not None and pod.deleted else pod)


def may_write(pod: Pod, *, now: datetime) -> bool:
    """Return whether the pod's importer runs or can still start."""
    if pod.deleted or pod.importer.terminated is not None or pod.phase in {"Succeeded", "Failed"}:
        return False
    if pod.grace_ends_at is None:
        return True
    cannot_start = pod.importer.running_since is None and _pending_reason(pod) is not None
    return not (cannot_start or _on_lost_node(pod, now))


def _on_lost_node(pod: Pod, now: datetime) -> bool:
    return pod.grace_ends_at is not None and now > pod.grace_ends_at + NODE_LOST_AFTER


def _decisive_pod(pods: Sequence[Pod]) -> Pod | None:
    """Return the pod whose importer has terminated, else the newest.

    A Job that was suspended and resumed has a second pod. Then the deleted first one decides nothing.
    """
    ended = [pod for pod in pods if pod.importer.terminated is not None]
    alive = [pod for pod in pods if pod.importer.terminated is None and pod.grace_ends_at is None and not pod.deleted]
    replaced = alive and all(each.deleted for each in ended)
    return max(
        alive if replaced else ended or pods, key=lambda pod: (not pod.deleted, str(pod.created_at)), default=None
    )


def _was_suspended(pod: Pod, job: Job | None) -> bool:
    """Return whether the pod's importer was stopped with its Job, which has been resumed since."""
    end, resumed_at = pod.importer.terminated, None if job is None else job.resumed_at
    if end is None or end.exit_code not in _STOPPED_EXITS or resumed_at is None or pod.created_at is None:
        return False
    return pod.created_at < resumed_at - _RESUMED_WITHIN


# --- the importer's container has terminated ---


def _state_of_terminated(
    pod: Pod, end: Terminated, job: Job | None, validator: ResultValidator, now: datetime
) -> Running | Ended:
    if end.exit_code == ExitCode.IMPORTED:
        return _end_of_success(pod, end, validator)
    if pod.reason == "Evicted":
        return _ended(_eviction_reason(pod), pod.message or "the pod was evicted", pod, end)
    if end.reason == "OOMKilled" and end.exit_code == _SIGKILL_EXIT:
        return _ended(Reason.OUT_OF_MEMORY, "the importer needed more memory than its limit", pod, end)
    if end.exit_code in _STOPPED_EXITS:
        is_suspended = job is not None and job.suspended and not (job.finished or job.deleting)
        return Running() if is_suspended else _state_of_stopped(pod, end, job, validator, now)
    return _end_by_exit_code(pod, end, validator)


def _end_of_success(pod: Pod, end: Terminated, validator: ResultValidator) -> Ended:
    result = validator.validated(end.message, end.exit_code)
    if result is None:
        return _ended(Reason.RESULT_LOST, "the importer succeeded, but its result is missing or not valid", pod, end)
    return _ended(Reason.IMPORTED, result.message, pod, end, result)


def _state_of_stopped(
    pod: Pod, end: Terminated, job: Job | None, validator: ResultValidator, now: datetime
) -> Running | Ended:
    """Return the state after a signal stopped the importer: pod and Job show who sent it."""
    if job is not None and job.failure_reason == _DEADLINE_EXCEEDED:
        return _ended(Reason.DEADLINE_EXCEEDED, "the attempt took longer than its deadline", pod, end)
    if pod.disruption is not None:
        return _ended(Reason.DISRUPTED, pod.disruption or "the pod was disrupted", pod, end)
    recheck_at = (end.finished_at or now) + _STOP_GRACE
    if job is not None and not job.finished and not job.deleting and now < recheck_at:
        return Running(pod_name=pod.name, importing_since=end.started_at, recheck_at=recheck_at)
    if end.exit_code == ExitCode.INTERRUPTED:
        return _end_by_exit_code(pod, end, validator)
    if pod.grace_ends_at is not None or job is None or job.deleting:
        return _ended(Reason.DISRUPTED, "the pod was deleted", pod, end)
    return _ended(Reason.UNEXPECTED, f"the importer was killed (exit code {end.exit_code})", pod, end)


def _end_by_exit_code(pod: Pod, end: Terminated, validator: ResultValidator) -> Ended:
    result = validator.validated(end.message, end.exit_code)
    if result is not None:
        return _ended(result.reason, result.message, pod, end, result)
    if end.reason in _NOT_STARTED_ERRORS:
        return _ended(Reason.CONTAINER_CONFIG_INVALID, f"{end.reason}: {end.message or 'no message'}", pod, end)
    reasons = [reason for reason in Reason if reason.facts.exit_code == end.exit_code]
    if len(reasons) == 1 and end.exit_code != ExitCode.UNEXPECTED:
        return _ended(reasons[0], reasons[0].facts.sentence, pod, end)
    return _ended(Reason.UNEXPECTED, f"the importer ended with exit code {end.exit_code} and no result", pod, end)


def _ended(reason: Reason, message: str, pod: Pod, end: Terminated, result: Result | None = None) -> Ended:
    return Ended(
        reason=reason,
        message=public(message, MAX_MESSAGE),
        pod_name=pod.name,
        finished_at=end.finished_at,
        exit_code=end.exit_code,
        result=result,
    )


def _eviction_reason(pod: Pod) -> Reason:
    """Return the reason of the kubelet's eviction: without DisruptionTarget the pod exceeded its own disk limit."""
    return Reason.SCRATCH_EXCEEDED if pod.disruption is None else Reason.DISRUPTED


# --- the importer's container never terminated ---


def _end_of_failed_pod(pod: Pod) -> Ended:
    reason = _eviction_reason(pod) if pod.reason == "Evicted" else Reason.DISRUPTED
    message = pod.message or pod.reason or "the pod failed before its importer ran"
    # The kubelet reports the end of a container before the pod's. Others call a pod of a node that is gone Failed.
    stopped = pod.importer.running_since is None or pod.reason == "Evicted"
    return Ended(reason, public(message, MAX_MESSAGE), pod_name=pod.name, importer_stopped=stopped)


def _end_of_failed_job(job: Job, pod: Pod | None, never_ran: PendingReason | None) -> Ended:
    if job.failure_reason != _DEADLINE_EXCEEDED:
        return _unseen(Reason.DISRUPTED, "the pod was removed before the attempt ended", pod, job, never_ran)
    message = "the attempt took longer than its deadline"
    if never_ran is None:
        return _unseen(Reason.DEADLINE_EXCEEDED, message, pod, job, never_ran)
    # Not the file's fault: the reason decides about retries.
    return _unconfirmed(
        never_ran.reason, public(f"{message}; its pod never ran: {never_ran.message}", MAX_MESSAGE), pod
    )


def _unstarted(pod: Pod, shown: PendingReason | None) -> bool:
    """Return whether the end of the importer's container is one that never ran: the kubelet reports that, too."""
    end = pod.importer.terminated
    return shown is not None and end is not None and end.started_at is None


def _never_ran(pod: Pod | None, shown: PendingReason | None) -> PendingReason | None:
    """Return why the importer has not run; None if it has, or may have."""
    if pod is None:
        return shown
    if pod.importer.running_since is not None:
        return None
    return _pending_reason(pod) or shown


def _unseen(reason: Reason, message: str, pod: Pod | None, job: Job | None, never_ran: PendingReason | None) -> Ended:
    """Return an end of Job or pod that may not be the importer's."""
    ended = _unconfirmed(reason, message, pod)
    stopped = never_ran is not None or (pod is not None and not pod.deleted)
    return replace(ended, importer_stopped=stopped, finished_at=None if job is None else job.finished_at)


def _unconfirmed(reason: Reason, message: str, pod: Pod | None) -> Ended:
    return Ended(reason, message, pod_name=pod.name if pod else None, confirmed=False)


def _running(pod: Pod | None) -> Running:
    if pod is None:
        return Running()
    since = pod.importer.running_since
    return Running(
        pod_name=pod.name,
        importing_since=since,
        pending_reason=None if since else _pending_reason(pod),
        recheck_at=None if pod.grace_ends_at is None else pod.grace_ends_at + NODE_LOST_AFTER + timedelta(seconds=1),
    )


def _pending_reason(pod: Pod) -> PendingReason | None:
    if pod.unschedulable is not None:
        return PendingReason(Reason.UNSCHEDULABLE, public(pod.unschedulable, MAX_MESSAGE))
    for container in (pod.prober, pod.importer):
        reason = _waiting_reason(container)
        if reason is not None:
            text = f"{container.waiting_reason}: {container.waiting_message or 'no message'}"
            return PendingReason(reason, public(text, MAX_MESSAGE))
    return None


def _waiting_reason(container: Container) -> Reason | None:
    if container.waiting_reason in _PULL_FAILURES:
        return Reason.IMAGE_PULL_FAILED
    return Reason.CONTAINER_CONFIG_INVALID if container.waiting_reason in _CONFIG_FAILURES else None
