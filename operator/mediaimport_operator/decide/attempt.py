"""An attempt as its Job and pod show it: running, or ended for a reason. The order of the checks is the meaning.

The pod's status speaks first, then the exit code, then the result. The importer's container decides as soon as it has
terminated: the pod's phase follows a second later, the Job's condition two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.reasons import ExitCode, Reason
from mediaimport_api.status import MAX_MESSAGE
from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mediaimport_api.result import Result

    from mediaimport_operator.observe.job import Job
    from mediaimport_operator.observe.pod import Container, Pod, Terminated
    from mediaimport_operator.observe.result import Expectation

LOST_AFTER = timedelta(seconds=60)
"""A pod that is still Terminating so long past its grace is on a dead node."""

_OVERDUE = "DeadlineExceeded"
_KILLED, _TERMINATED = 137, 143
_STOPPED = frozenset({ExitCode.INTERRUPTED.value, _KILLED, _TERMINATED})
_PULL_FAILURES = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG_FAILURES = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not come to run."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Running:
    """Not ended. `importing_since`: when the importer's container started, if it has."""

    pod_name: str | None = None
    importing_since: datetime | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Ended:
    """Ended. `result` is verified; `seen` is False when only absence says so, which a stale cache may show too."""

    reason: Reason
    message: str
    pod_name: str | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    result: Result | None = None
    seen: bool = True


def read(  # noqa: PLR0911  each return is one way for an attempt to stand
    *, job: Job | None, pods: Sequence[Pod], expected: Expectation, now: datetime
) -> Running | Ended:
    """Return what became of the attempt so far."""
    pod = _telling(pods)
    if pod is not None and pod.importer.terminated is not None:
        return _of_container(pod, pod.importer.terminated, job, expected)
    overdue = job is not None and job.failure_reason == _OVERDUE
    if pod is not None and pod.phase == "Failed" and not overdue:
        return _of_failed_pod(pod)
    if job is None or job.deleting:
        return _absent(Reason.DISRUPTED, "the Job was deleted before the attempt ended", pod)
    if job.failure_reason is not None:
        return _of_failed_job(job, pod)
    if job.complete:
        return _absent(Reason.RESULT_LOST, "the Job is complete, but its pod is gone", pod)
    if pod is not None and pod.grace_ends_at is not None and now > pod.grace_ends_at + LOST_AFTER:
        return Ended(Reason.DISRUPTED, "the pod does not end; its node seems dead", pod_name=pod.name)
    return _running(pod)


def _telling(pods: Sequence[Pod]) -> Pod | None:
    """Return the pod whose importer has terminated, else the newest.

    A Job makes another pod only after it was suspended and resumed: then the one before tells nothing any more.
    """
    ended = [pod for pod in pods if pod.importer.terminated is not None]
    alive = [pod for pod in pods if pod.importer.terminated is None and pod.grace_ends_at is None and not pod.gone]
    stopped = alive and all(each.gone for each in ended)
    return max(alive if stopped else ended or pods, key=lambda pod: (not pod.gone, str(pod.created_at)), default=None)


def _of_container(pod: Pod, end: Terminated, job: Job | None, expected: Expectation) -> Running | Ended:
    if end.exit_code == ExitCode.IMPORTED:
        return _of_success(pod, end, expected)
    if pod.reason == "Evicted":
        return _ended(_eviction(pod), pod.message or "the pod was evicted", pod, end)
    if end.reason == "OOMKilled" and end.exit_code == _KILLED:
        return _ended(Reason.OUT_OF_MEMORY, "the importer needed more memory than its limit", pod, end)
    if end.exit_code in _STOPPED:
        return _of_stop(pod, end, job, expected)
    return _of_exit_code(pod, end, expected)


def _of_success(pod: Pod, end: Terminated, expected: Expectation) -> Ended:
    result = expected.result(end.message, end.exit_code)
    if result is None:
        return _ended(Reason.RESULT_LOST, "the importer ended well, but its result is missing or not valid", pod, end)
    return _ended(Reason.IMPORTED, result.message, pod, end, result)


def _of_stop(pod: Pod, end: Terminated, job: Job | None, expected: Expectation) -> Running | Ended:
    """Judge an importer that was told to stop: only pod and Job know by whom."""
    if job is not None and job.failure_reason == _OVERDUE:
        return _ended(Reason.DEADLINE_EXCEEDED, "the attempt took longer than its deadline", pod, end)
    if pod.disruption is not None:
        return _ended(Reason.DISRUPTED, pod.disruption or "the pod was disrupted", pod, end)
    if job is not None and not job.finished and not job.deleting:
        return Running(pod_name=pod.name, importing_since=end.started_at)
    if end.exit_code == ExitCode.INTERRUPTED:
        return _of_exit_code(pod, end, expected)
    if pod.grace_ends_at is not None or job is None or job.deleting:
        return _ended(Reason.DISRUPTED, "the pod was deleted", pod, end)
    return _ended(Reason.UNEXPECTED, f"the importer was killed (exit code {end.exit_code})", pod, end)


def _of_exit_code(pod: Pod, end: Terminated, expected: Expectation) -> Ended:
    result = expected.result(end.message, end.exit_code)
    if result is not None:
        return _ended(result.reason, result.message, pod, end, result)
    reasons = [reason for reason in Reason if reason.facts.exit_code == end.exit_code]
    if len(reasons) == 1 and end.exit_code != ExitCode.UNEXPECTED:
        return _ended(reasons[0], reasons[0].facts.sentence, pod, end)
    detail = f": {end.message}" if end.reason in {"StartError", "ContainerCannotRun"} and end.message else ""
    return _ended(
        Reason.UNEXPECTED, f"the importer ended with exit code {end.exit_code} and no result{detail}", pod, end
    )


def _ended(reason: Reason, message: str, pod: Pod, end: Terminated, result: Result | None = None) -> Ended:
    return Ended(
        reason=reason,
        message=public(message, MAX_MESSAGE),
        pod_name=pod.name,
        finished_at=end.finished_at,
        exit_code=end.exit_code,
        result=result,
    )


def _eviction(pod: Pod) -> Reason:
    """Tell the kubelet's two evictions apart: for the pod's own disk use, or for the node's need."""
    return Reason.SCRATCH_EXCEEDED if pod.disruption is None else Reason.DISRUPTED


def _of_failed_pod(pod: Pod) -> Ended:
    reason = _eviction(pod) if pod.reason == "Evicted" else Reason.DISRUPTED
    message = pod.message or pod.reason or "the pod failed before its importer ran"
    return Ended(reason, public(message, MAX_MESSAGE), pod_name=pod.name)


def _of_failed_job(job: Job, pod: Pod | None) -> Ended:
    if job.failure_reason == _OVERDUE:
        trouble = _trouble(pod) if pod else None
        cause = f"; its pod never ran: {trouble.message}" if trouble else ""
        message = public(f"the attempt took longer than its deadline{cause}", MAX_MESSAGE)
        return Ended(Reason.DEADLINE_EXCEEDED, message, pod_name=pod.name if pod else None, seen=False)
    return _absent(Reason.DISRUPTED, "the pod was removed before the attempt ended", pod)


def _absent(reason: Reason, message: str, pod: Pod | None) -> Ended:
    return Ended(reason, message, pod_name=pod.name if pod else None, seen=False)


def _running(pod: Pod | None) -> Running:
    if pod is None:
        return Running()
    since = pod.importer.running_since
    return Running(pod_name=pod.name, importing_since=since, trouble=None if since else _trouble(pod))


def _trouble(pod: Pod) -> Trouble | None:
    if pod.unschedulable is not None:
        return Trouble(Reason.UNSCHEDULABLE, public(pod.unschedulable, MAX_MESSAGE))
    for container in (pod.prober, pod.importer):
        reason = _waiting_reason(container)
        if reason is not None:
            text = f"{container.waiting_reason}: {container.waiting_message or 'no message'}"
            return Trouble(reason, public(text, MAX_MESSAGE))
    return None


def _waiting_reason(container: Container) -> Reason | None:
    if container.waiting_reason in _PULL_FAILURES:
        return Reason.IMAGE_PULL_FAILED
    if container.waiting_reason in _CONFIG_FAILURES or container.waiting_reason == "CrashLoopBackOff":
        return Reason.CONTAINER_CONFIG_INVALID
    return None
