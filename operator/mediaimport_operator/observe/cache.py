"""Caches of MediaImports, Jobs and pods: the newest version of each, fed by watches, resyncs and our own writes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_api import json_depth, names
from mediaimport_api.status import Phase
from mediaimport_runtime.kubernetes import objects
from mediaimport_runtime.kubernetes.answers import is_object

from mediaimport_operator.observe.job import job_news, pod_news
from mediaimport_operator.observe.resource import Due, due

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from mediaimport_runtime.kubernetes.objects import Object

_ENDED = frozenset({"Succeeded", "Failed"})
"""Phases of pods."""
_HAS_RUN = frozenset({"running", "terminated"})
"""States of containers."""
_DELETED_JOBS = 4
"""Deleted Jobs of one import whose pods may still run: each has at most its grace left."""


def _version(item: Object) -> int:
    """Return the resourceVersion as a number: Kubernetes promises that they compare so (KEP-5504)."""
    text = item["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


class _Meta(NamedTuple):
    """Metadata that is read without unpacking the object; `key` is the uid of its import, `due` its next reconcile."""

    namespace: str
    version: int
    key: str
    due: Due


class Cache:
    """Objects of one kind by uid. An older version never replaces a newer one, nor restores a deleted object.

    Inactive objects are packed: there may be ten thousand, and they are rarely read.
    """

    def __init__(self) -> None:
        self._items: dict[str, Object | bytes] = {}
        self._meta: dict[str, _Meta] = {}
        self._known_news: dict[str, int] = {}
        """The hash of what a reconcile reads of an object: it would have to be read of two versions at each event."""
        self._deleted: dict[str, str] = {}
        """The namespace of each deleted object, by uid."""

    def __len__(self) -> int:
        return len(self._meta)

    def __iter__(self) -> Iterator[Object]:
        yield from (_unpacked(each) for each in list(self._items.values()))

    def get(self, uid: str) -> Object | None:
        """Return the object with that uid."""
        item = self._items.get(uid)
        return None if item is None else _unpacked(item)

    def is_known(self, item: Object) -> bool:
        """Return whether that version of an object, or a newer one, is cached, or the object was deleted."""
        uid = _uid(item)
        return uid in self._deleted or (uid in self._meta and _version(item) <= self._meta[uid].version)

    def update(self, item: Object) -> bool:
        """Store an object; return whether it was newer than the cached one."""
        if self.is_known(item):
            return False
        uid, version = _uid(item), _version(item)
        self._known_news.pop(uid, None)
        item = self._trimmed(item)
        self._meta[uid] = _Meta(sys.intern(item["metadata"]["namespace"]), version, self._key(item), self._due(item))
        self._insert(item)
        return True

    def update_with_news(self, item: Object) -> bool:
        """Store an object; return whether a reconcile reads anything else of it than of the cached one."""
        uid = _uid(item)
        before, known = self.get(uid) if uid not in self._known_news else None, self._known_news.get(uid)
        if not self.update(item):
            return False
        try:
            if known is None and before is not None:
                known = hash(self._news(before))
            self._known_news[uid] = news = hash(self._news(item))
        except Exception:  # noqa: BLE001 - any field may hold anything; the reconcile reports it
            return True
        return news != known

    def restore(self, item: Object) -> None:
        """Store an object that a watch has reported as deleted, but that has only left the watch's selector."""
        self._deleted.pop(_uid(item), None)
        self.update(item)

    def remove(self, item: Object) -> bool:
        """Remove a deleted object; return whether it was cached."""
        self._deleted[_uid(item)] = item["metadata"].get("namespace", "")
        return self._drop(_uid(item))

    def store_listed(self, item: Object) -> str | None:
        """Store an object of a list; return its import if that needs a reconcile.

        An import that is new and completed needs none: what it still has, Jobs and pods, comes by other lists.
        """
        uid = _uid(item)
        is_new = uid not in self._meta
        if not self.update(item) or (is_new and self._meta[uid].due is Due.NEVER):
            return None
        return self._meta[uid].key

    def remove_missing(self, namespace: str, listed: Container[str], version: str) -> Iterator[str | None]:
        """Remove a namespace's objects that its list as of that version does not contain.

        Others may run after each step: it yields the import of an object that it has removed, else None.
        """
        for uid, meta in list(self._meta.items()):
            # Meanwhile others may have removed it, or stored a newer version.
            missing = uid not in listed and meta.namespace == namespace and meta.version <= int(version)
            yield meta.key if missing and self._meta.get(uid) is meta and self._drop(uid) else None

    def forget_deletions(self, namespace: str) -> None:
        """Forget which objects of a namespace were deleted: before a list that can no longer contain them."""
        self._deleted = {uid: where for uid, where in self._deleted.items() if where != namespace}

    def _drop(self, uid: str) -> bool:
        meta = self._meta.pop(uid, None)
        self._known_news.pop(uid, None)
        if meta is not None:
            self._discard(uid, meta.key)
        return meta is not None

    def _key(self, item: Object) -> str:
        """Return the uid of the object's import."""
        return _uid(item)

    def _due(self, item: Object) -> Due:  # noqa: ARG002 - ImportCache needs it
        return Due.NOW

    def _trimmed(self, item: Object) -> Object:
        return objects.strip_managed_fields(item)

    def _insert(self, item: Object) -> None:
        self._items[_uid(item)] = objects.pack(item) if self._is_inactive(item.get("status") or {}) else item

    def _discard(self, uid: str, key: str) -> None:  # noqa: ARG002 - OwnedCache needs it
        del self._items[uid]

    def _is_inactive(self, status: Object) -> bool:  # noqa: ARG002 - the other caches need it
        return False

    def _news(self, item: Object) -> object:
        """Return all that a reconcile reads of an object, hashable; of an import, any version."""
        return _version(item)


def _unpacked(item: Object | bytes) -> Object:
    return objects.unpack(item) if isinstance(item, bytes) else item


class ImportCache(Cache):
    """MediaImports. Inactive are completed ones, queued ones and those without a status yet.

    `ttl_by_default`: completed ones whose spec has no time to live are deleted one day, too.
    """

    def __init__(self, *, ttl_by_default: bool = False) -> None:
        super().__init__()
        self._ttl_by_default = ttl_by_default

    def due(self, *kinds: Due) -> list[str]:
        """Return the uids of the imports that need their next reconcile then."""
        return [uid for uid, meta in self._meta.items() if meta.due in kinds]

    def is_completed(self, uid: str) -> bool:
        """Return whether an import is completed, and nothing but its time to live is due."""
        meta = self._meta.get(uid)
        return meta is not None and meta.due is not Due.NOW

    def _due(self, item: Object) -> Due:
        try:
            return due(item, ttl_by_default=self._ttl_by_default)
        except Exception:  # noqa: BLE001 - any field may hold anything; the reconcile reports it
            return Due.NOW

    def _trimmed(self, item: Object) -> Object:
        return json_depth.cut(super()._trimmed(item))

    def _is_inactive(self, status: Object) -> bool:
        return "completedAt" in status or status.get("phase") in {None, Phase.QUEUED}


class OwnedCache(Cache):
    """Jobs or pods, by the import that their label names. Inactive are those that have ended.

    Of a spec only the fields in `spec_fields` are kept: a reconcile reads no others. `news` returns all that it reads.
    """

    def __init__(self, spec_fields: tuple[str, ...] = (), *, news: Callable[[Object], object] = pod_news) -> None:
        super().__init__()
        self._spec_fields = spec_fields
        self._read_news = news
        self._by_import: dict[str, set[str]] = {}

    def of_import(self, uid: str) -> list[Object]:
        """Return the objects of an import."""
        return [_unpacked(self._items[each]) for each in self._by_import.get(uid, ())]

    def _key(self, item: Object) -> str:
        return import_uid(item)

    def _insert(self, item: Object) -> None:
        spec = item.get("spec") or {}
        super()._insert(item | {"spec": {name: spec[name] for name in self._spec_fields if name in spec}})
        self._by_import.setdefault(import_uid(item), set()).add(_uid(item))

    def _discard(self, uid: str, key: str) -> None:
        super()._discard(uid, key)
        siblings = self._by_import.get(key, set())
        siblings.discard(uid)
        if not siblings:
            self._by_import.pop(key, None)

    def _is_inactive(self, status: Object) -> bool:
        return "completionTime" in status or status.get("phase") in _ENDED

    def _news(self, item: Object) -> object:
        return self._read_news(item)


class JobCache(OwnedCache):
    """Jobs. `deleted` holds, by import, the metadata of the newest that are gone: their pods may outlive them."""

    def __init__(self, spec_fields: tuple[str, ...] = ()) -> None:
        super().__init__(spec_fields, news=job_news)
        self.deleted: dict[str, dict[str, Object]] = {}

    def _discard(self, uid: str, key: str) -> None:
        gone = self.deleted.setdefault(key, {})
        gone[uid] = {"metadata": _unpacked(self._items[uid])["metadata"]}
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
    jobs: JobCache = field(default_factory=lambda: JobCache(spec_fields=("suspend",)))
    pods: OwnedCache = field(default_factory=OwnedCache)
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
            self.deleted_pods.setdefault(key, {})[_uid(item)] = item | {"spec": {}}
        return was_cached or has_run

    def forget_deleted_of(self, key: str) -> None:
        """Forget the deleted Jobs and pods of an import whose attempts have all ended."""
        self.jobs.deleted.pop(key, None)
        self.deleted_pods.pop(key, None)

    def forget_deletions(self, namespace: str) -> None:
        """Forget in all caches which objects of a namespace were deleted."""
        for cache in (self.imports, self.jobs, self.pods):
            cache.forget_deletions(namespace)
