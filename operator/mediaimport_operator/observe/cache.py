"""The newest version seen of each MediaImport, Job and pod, fed by watches, sweeps and our own writes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_api import names
from mediaimport_api.status import Phase
from mediaimport_runtime.kubernetes import objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mediaimport_runtime.kubernetes.objects import Object

_ENDED = frozenset({"Succeeded", "Failed"})
"""Phases of pods."""


def _version(item: Object) -> int:
    """Return the resourceVersion as a number: Kubernetes promises that they compare so (KEP-5504)."""
    text = item["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


class _Seen(NamedTuple):
    """What is asked of an object without unpacking it; `key`: the uid of the import that it is of."""

    namespace: str
    version: int
    key: str


class Cache:
    """Objects of one kind by uid. Never goes back to an older version, nor brings back what was deleted.

    What is dormant is kept packed: there may be ten thousand, and hardly anyone asks for them.
    """

    def __init__(self) -> None:
        self._items: dict[str, Object | bytes] = {}
        self._seen: dict[str, _Seen] = {}
        self._deleted: set[str] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def __iter__(self) -> Iterator[Object]:
        yield from (_whole(each) for each in list(self._items.values()))

    def get(self, uid: str) -> Object | None:
        """Return the object of that uid."""
        item = self._items.get(uid)
        return None if item is None else _whole(item)

    def see(self, item: Object) -> bool:
        """Take an object in; tell whether it was news."""
        uid, version = _uid(item), _version(item)
        if uid in self._deleted or (uid in self._seen and version <= self._seen[uid].version):
            return False
        objects.strip_managed_fields(item)
        self._seen[uid] = _Seen(sys.intern(item["metadata"]["namespace"]), version, self._key(item))
        self._enter(item)
        return True

    def revive(self, item: Object) -> None:
        """Take in an object that is there although a watch told of its deletion: it has only left the selector."""
        self._deleted.discard(_uid(item))
        self.see(item)

    def forget(self, item: Object) -> bool:
        """Drop an object that was deleted; tell whether it was there."""
        self._deleted.add(_uid(item))
        return self._drop(_uid(item))

    def replace(self, namespace: str, items: Iterable[Object], version: str) -> list[str]:
        """Take in the whole list of a namespace as of that version; return the imports of which there is news."""
        there: set[str] = set()
        news: list[str] = []
        for item in items:
            there.add(_uid(item))
            if self.see(item):
                news.append(self._key(item))
        for uid, seen in list(self._seen.items()):
            if seen.namespace == namespace and uid not in there and seen.version <= int(version):
                news.append(seen.key)
                self._drop(uid)
        return news

    def forget_deletions(self) -> None:
        """Drop the memory of deletions: before a list that can no longer hold what they deleted."""
        self._deleted.clear()

    def _drop(self, uid: str) -> bool:
        seen = self._seen.pop(uid, None)
        if seen is not None:
            self._leave(uid, seen.key)
        return seen is not None

    def _key(self, item: Object) -> str:
        """Return the uid of the import that the object is of."""
        return _uid(item)

    def _enter(self, item: Object) -> None:
        self._items[_uid(item)] = objects.pack(item) if self._is_dormant(item.get("status") or {}) else item

    def _leave(self, uid: str, key: str) -> None:  # noqa: ARG002  what comes after it asks
        del self._items[uid]

    def _is_dormant(self, status: Object) -> bool:  # noqa: ARG002  what comes after it asks
        """Tell whether nothing is under way."""
        return False


def _whole(item: Object | bytes) -> Object:
    return objects.unpack(item) if isinstance(item, bytes) else item


class ImportCache(Cache):
    """MediaImports; dormant are those that are over, those that wait for a slot and those that wait to be seen."""

    def _is_dormant(self, status: Object) -> bool:
        return "completedAt" in status or status.get("phase") in {None, Phase.QUEUED}


class OwnedCache(Cache):
    """Jobs or pods, by the import that their label names; dormant are those that have ended.

    Of a spec only `kept` stays: no pass asks for more.
    """

    def __init__(self, kept: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._kept = kept
        self._by_owner: dict[str, set[str]] = {}

    def of(self, owner: str) -> list[Object]:
        """Return the objects of an import."""
        return [_whole(self._items[uid]) for uid in self._by_owner.get(owner, ())]

    def _key(self, item: Object) -> str:
        return owner_of(item)

    def _enter(self, item: Object) -> None:
        spec = item.get("spec") or {}
        super()._enter(item | {"spec": {name: spec[name] for name in self._kept if name in spec}})
        self._by_owner.setdefault(owner_of(item), set()).add(_uid(item))

    def _leave(self, uid: str, key: str) -> None:
        super()._leave(uid, key)
        mine = self._by_owner.get(key, set())
        mine.discard(uid)
        if not mine:
            self._by_owner.pop(key, None)

    def _is_dormant(self, status: Object) -> bool:
        return "completionTime" in status or status.get("phase") in _ENDED


def owner_of(item: Object) -> str:
    """Return the uid of the import that a Job or pod belongs to, as its label says."""
    return objects.label(item, names.LABEL_UID) or ""


@dataclass
class World:
    """The three kinds. `relics`: pods that are deleted, but whose importer's last words may not have been read."""

    imports: ImportCache = field(default_factory=ImportCache)
    jobs: OwnedCache = field(default_factory=lambda: OwnedCache(kept=("suspend",)))
    pods: OwnedCache = field(default_factory=OwnedCache)
    relics: dict[str, dict[str, Object]] = field(default_factory=dict)

    def forget_pod(self, item: Object) -> bool:
        """Drop a deleted pod, but keep what its importer said."""
        statuses = (item.get("status") or {}).get("containerStatuses") or []
        if any("terminated" in (each.get("state") or {}) for each in statuses):
            self.relics.setdefault(owner_of(item), {})[_uid(item)] = item | {"spec": {}}
        return self.pods.forget(item)

    def forget_deletions(self) -> None:
        """Drop the memory of deletions in all kinds."""
        for cache in (self.imports, self.jobs, self.pods):
            cache.forget_deletions()
