"""The caches of MediaImports, Jobs and pods, and what a reconcile reads of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from mediaimport_api import json_depth, names
from mediaimport_api.status import Phase
from mediaimport_runtime.kubernetes import objects
from mediaimport_runtime.kubernetes.answers import is_object

from mediaimport_operator.observe.job import Job, Pod, read_job, read_pod
from mediaimport_operator.observe.object_cache import Cache, uid_of, unpacked
from mediaimport_operator.observe.owned import Owned, job_news, pod_news
from mediaimport_operator.observe.recent import Recent
from mediaimport_operator.observe.resource import Due, due, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource

T = TypeVar("T")

_ENDED = frozenset({"Succeeded", "Failed"})
"""Phases of pods."""
_HAS_RUN = frozenset({"running", "terminated"})
"""States of containers."""
_DELETED_JOBS = 4
"""Deleted Jobs of one import whose pods may still run: each has at most its grace left."""


class ImportCache(Cache):
    """MediaImports. Inactive are completed ones, queued ones and those without a status yet.

    `ttl_by_default`: completed ones whose spec has no time to live are deleted one day, too.
    """

    def __init__(self, *, ttl_by_default: bool = False) -> None:
        super().__init__()
        self._ttl_by_default = ttl_by_default
        self._read: Recent[Resource] = Recent()

    def resource(self, uid: str) -> Resource | None:
        """Return the import with that uid, read once for each version."""
        item = self._items.get(uid)
        return None if item is None else self._read.get(uid, lambda: read(unpacked(item)))

    def due(self, *kinds: Due) -> list[str]:
        """Return the uids of the imports that need their next reconcile then."""
        return [uid for uid in self._meta if self._due_of(uid) in kinds]

    def is_completed(self, uid: str) -> bool:
        """Return whether an import is completed, and nothing but its time to live is due."""
        return self._due_of(uid) not in {None, Due.NOW}

    def _due(self, item: Object) -> Due:
        try:
            return due(item, ttl_by_default=self._ttl_by_default)
        except Exception:  # noqa: BLE001 - any field may hold anything; the reconcile reports it
            return Due.NOW

    def _trimmed(self, item: Object) -> Object:
        return json_depth.cut(super()._trimmed(item))

    def _insert(self, item: Object) -> None:
        super()._insert(item)
        self._read.forget(uid_of(item))

    def _discard(self, uid: str, key: str) -> None:
        super()._discard(uid, key)
        self._read.forget(uid)

    def _is_inactive(self, status: Object) -> bool:
        return "completedAt" in status or status.get("phase") in {None, Phase.QUEUED}


class OwnedCache(Cache, Generic[T]):
    """Jobs or pods, by the import that their label names. Inactive are those that have ended.

    `read` reads one from the API's object; `news` returns all that a reconcile reads of it. Of a spec only the fields
    in `spec_fields` are kept: a reconcile reads no others.
    """

    def __init__(
        self, read: Callable[[Object], T], news: Callable[[Owned[T]], object], spec_fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._read_item = read
        self._read_news = news
        self._spec_fields = spec_fields
        self._read: Recent[Owned[T]] = Recent()
        self._by_import: dict[str, tuple[str, ...]] = {}
        """Tuples of strings: the garbage collector would look through ten thousand sets."""

    def of_import(self, uid: str) -> list[Object]:
        """Return the objects of an import."""
        return [unpacked(self._items[each]) for each in self._by_import.get(uid, ())]

    def owned_of_import(self, uid: str) -> list[Owned[T]]:
        """Return the objects of an import, read once for each version."""
        return [self._owned(each) for each in self._by_import.get(uid, ())]

    def _owned(self, uid: str, item: Object | None = None) -> Owned[T]:
        return self._read.get(uid, lambda: Owned(item or unpacked(self._items[uid]), self._read_item))

    def _key(self, item: Object) -> str:
        return import_uid(item)

    def _insert(self, item: Object) -> None:
        spec = item.get("spec") or {}
        kept = item | {"spec": {name: spec[name] for name in self._spec_fields if name in spec}}
        super()._insert(kept)
        self._read.forget(uid_of(item))
        uid, siblings = uid_of(item), self._by_import.get(import_uid(item), ())
        if uid not in siblings:
            self._by_import[import_uid(item)] = (*siblings, uid)

    def _discard(self, uid: str, key: str) -> None:
        super()._discard(uid, key)
        self._read.forget(uid)
        siblings = tuple(each for each in self._by_import.pop(key, ()) if each != uid)
        if siblings:
            self._by_import[key] = siblings

    def _is_inactive(self, status: Object) -> bool:
        return "completionTime" in status or status.get("phase") in _ENDED

    def _news(self, uid: str, item: Object | None) -> object:
        return self._read_news(self._owned(uid, item))


class PodCache(OwnedCache[Pod]):
    """Pods."""

    def __init__(self) -> None:
        super().__init__(read_pod, pod_news)


class JobCache(OwnedCache[Job]):
    """Jobs. `deleted` holds, by import, the metadata of the newest that are gone: their pods may outlive them."""

    def __init__(self) -> None:
        super().__init__(read_job, job_news, spec_fields=("suspend",))
        self.deleted: dict[str, dict[str, Object]] = {}

    def _discard(self, uid: str, key: str) -> None:
        gone = self.deleted.setdefault(key, {})
        gone[uid] = {"metadata": unpacked(self._items[uid])["metadata"]}
        if len(gone) > _DELETED_JOBS:
            del gone[next(iter(gone))]
        super()._discard(uid, key)


def check_identity(item: Object) -> None:
    """Raise ValueError for an object without a name, namespace and uid, or without labels that can be read."""
    if not is_object(item) or not all(item["metadata"].get(each) for each in ("namespace", "uid")):
        raise ValueError("the object has no name, namespace, uid or labels")


def import_uid(item: Object) -> str:
    """Return the uid of the import of a Job or pod, from its label."""
    return objects.label(item, names.LABEL_UID) or ""


@dataclass
class ClusterCache:
    """The caches of all three kinds.

    `deleted_pods` holds, by import, pods whose termination message may not have been read before their deletion, and
    those whose importer may run on: the status does not show at once that it runs.
    """

    imports: ImportCache = field(default_factory=ImportCache)
    jobs: JobCache = field(default_factory=JobCache)
    pods: PodCache = field(default_factory=PodCache)
    deleted_pods: dict[str, dict[str, Object]] = field(default_factory=dict)

    def update_pod(self, item: Object) -> bool:
        """Store a pod; return whether a reconcile is needed. Of a completed import, its pod changes nothing more."""
        has_news = self.pods.update_with_news(item)
        return has_news and not self.imports.is_completed(import_uid(item))

    def remove_pod(self, item: Object) -> bool:
        """Remove a deleted pod; keep it in `deleted_pods` if a container of it has run, and its import goes on.

        Return whether a reconcile is needed: a list may have dropped the pod before its last state was seen.
        """
        was_cached, key = self.pods.remove(item), import_uid(item)
        if self.imports.is_completed(key):
            return False
        statuses = (item.get("status") or {}).get("containerStatuses") or []
        has_run = any(_HAS_RUN & (each.get("state") or {}).keys() for each in statuses)
        if has_run:
            self.deleted_pods.setdefault(key, {})[uid_of(item)] = item | {"spec": {}}
        return was_cached or has_run

    def forget_deleted_of(self, key: str) -> None:
        """Forget the deleted Jobs and pods of an import whose attempts have all ended."""
        self.jobs.deleted.pop(key, None)
        self.deleted_pods.pop(key, None)

    def forget_deletions(self, namespace: str) -> None:
        """Forget in all caches which objects of a namespace were deleted."""
        for cache in (self.imports, self.jobs, self.pods):
            cache.forget_deletions(namespace)
