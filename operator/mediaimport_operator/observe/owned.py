"""Jobs and pods with their controllers.

Anybody may give an object our labels. A Job counts only if its controller is the import, a pod only if its controller
is such a Job.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from mediaimport_operator.observe.job import Container, controller, read_job, read_pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Container as AnyContainer

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.job import Job, Pod

T = TypeVar("T")


class Owned(Generic[T]):
    """A Job or a pod, and its controller. It is read when first asked for: a foreign one with our labels may be odd."""

    def __init__(self, item: Object, read: Callable[[Object], T]) -> None:
        """Take the function that reads the API's object."""
        owner = controller(item) or {}
        self.uid: str = item["metadata"]["uid"]
        self.owner_uid: str | None = owner.get("uid")
        self.owner_kind: str | None = owner.get("kind")
        self.has_owner = bool(owner)
        self._item: Object | None = item
        self._read = read

    @property
    def value(self) -> T:
        """The Job or the pod."""
        if self._item is not None:
            self._value = self._read(self._item)
            self._item = None
        return self._value


def jobs_of(owned: Iterable[Owned[Job]], *, owner_uid: str) -> tuple[Job, ...]:
    """Return the Jobs whose controller is the import."""
    return tuple(each.value for each in owned if each.owner_uid == owner_uid)


def read_jobs(items: Iterable[Object], *, owner_uid: str) -> tuple[Job, ...]:
    """Return those of the API's objects."""
    return jobs_of((Owned(each, read_job) for each in items), owner_uid=owner_uid)


def pods_of(owned: Iterable[Owned[Pod]], *, jobs: Iterable[Job]) -> tuple[Pod, ...]:
    """Return the pods whose controller is one of these Jobs and whose labels name that Job's attempt."""
    attempts = {job.uid: (job.run_hash, job.attempt) for job in jobs}
    pods = (each.value for each in owned if each.owner_uid in attempts)
    return tuple(pod for pod in pods if attempts[pod.job_uid or ""] == (pod.run_hash, pod.attempt))


def read_pods(items: Iterable[Object], *, jobs: Iterable[Job], deleted: bool = False) -> tuple[Pod, ...]:
    """Return those of the API's objects."""
    return pods_of((Owned(each, partial(read_pod, deleted=deleted)) for each in items), jobs=jobs)


def orphans_of(owned: Iterable[Owned[Pod]], *, jobs: AnyContainer[str]) -> tuple[Pod, ...]:
    """Return the pods of Jobs that are gone: deleted while no operator ran, or with their pods left (`orphan`).

    A pod of another Job, or of another controller, only has our labels.
    """
    gone = (each for each in owned if not each.has_owner or (each.owner_kind == "Job" and each.owner_uid not in jobs))
    return tuple(each.value for each in gone)


# --- news ---

_USUAL_WAITS = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons for which the containers of every pod wait."""


def job_news(owned: Owned[Job]) -> object:
    """Return all that a reconcile reads of a Job: while it stays the same, no reconcile is needed."""
    return owned.value, owned.owner_uid


def pod_news(owned: Owned[Pod]) -> object:
    """Return all that a reconcile reads of a pod, of the prober only why it does not start."""
    pod = owned.value
    importer = replace(pod.importer, waiting_reason=None) if _waits_as_usual(pod.importer) else pod.importer
    prober = None if _waits_as_usual(pod.prober) else pod.prober.waiting_reason
    read = vars(pod) | {"importer": importer, "prober": prober}
    return *read.values(), owned.owner_kind


def _waits_as_usual(container: Container) -> bool:
    return container.waiting_reason in _USUAL_WAITS
