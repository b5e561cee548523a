"""The newest version seen of each MediaImport, Job and pod, fed by watches, sweeps and our own writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api import names

from mediaimport_operator import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mediaimport_operator.wire import Object

_BALLAST = ("managedFields",)


def _version(item: Object) -> int:
    """Return the resourceVersion as a number: Kubernetes promises that they compare so (KEP-5504)."""
    text = item["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])


class Cache:
    """Objects of one kind by uid. Never goes back to an older version, nor brings back what was deleted."""

    def __init__(self) -> None:
        self._items: dict[str, Object] = {}
        self._deleted: set[str] = set()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Object]:
        return iter(self._items.values())

    def get(self, uid: str) -> Object | None:
        """Return the object of that uid."""
        return self._items.get(uid)

    def see(self, item: Object) -> bool:
        """Take an object in; tell whether it was news."""
        uid, before = _uid(item), self._items.get(_uid(item))
        if uid in self._deleted or (before is not None and _version(item) <= _version(before)):
            return False
        for name in _BALLAST:
            item["metadata"].pop(name, None)
        self._enter(item)
        return True

    def forget(self, item: Object) -> bool:
        """Drop an object that was deleted; tell whether it was there."""
        self._deleted.add(_uid(item))
        return self._leave(_uid(item)) is not None

    def replace(self, namespace: str, items: Iterable[Object], version: str) -> list[Object]:
        """Take in the whole list of a namespace as of that version; return what was news, with what has gone."""
        listed = list(items)
        news = [item for item in listed if self.see(item)]
        there = {_uid(item) for item in listed}
        gone = [
            item
            for item in self._items.values()
            if item["metadata"]["namespace"] == namespace and _uid(item) not in there and _version(item) <= int(version)
        ]
        for item in gone:
            self._leave(_uid(item))
        return [*news, *gone]

    def forget_deletions(self) -> None:
        """Drop the memory of deletions: before a list that can no longer hold what they deleted."""
        self._deleted.clear()

    def _enter(self, item: Object) -> None:
        self._items[_uid(item)] = item

    def _leave(self, uid: str) -> Object | None:
        return self._items.pop(uid, None)


class OwnedCache(Cache):
    """Objects that carry their import's uid as a label."""

    def __init__(self) -> None:
        super().__init__()
        self._by_owner: dict[str, set[str]] = {}

    def of(self, owner: str) -> list[Object]:
        """Return the objects of an import."""
        return [self._items[uid] for uid in self._by_owner.get(owner, ())]

    def _enter(self, item: Object) -> None:
        super()._enter(item)
        self._by_owner.setdefault(owner_of(item), set()).add(_uid(item))

    def _leave(self, uid: str) -> Object | None:
        item = super()._leave(uid)
        if item is not None:
            mine = self._by_owner.get(owner_of(item), set())
            mine.discard(uid)
            if not mine:
                self._by_owner.pop(owner_of(item), None)
        return item


def owner_of(item: Object) -> str:
    """Return the uid of the import that a Job or pod belongs to, as its label says."""
    return wire.label(item, names.LABEL_UID) or ""


@dataclass
class World:
    """The three kinds. `relics`: pods that are deleted, but whose importer's last words may not have been read."""

    imports: Cache = field(default_factory=Cache)
    jobs: OwnedCache = field(default_factory=OwnedCache)
    pods: OwnedCache = field(default_factory=OwnedCache)
    relics: dict[str, dict[str, Object]] = field(default_factory=dict)

    def forget_pod(self, item: Object) -> bool:
        """Drop a deleted pod, but keep what its importer said."""
        statuses = (item.get("status") or {}).get("containerStatuses") or []
        if any("terminated" in (each.get("state") or {}) for each in statuses):
            self.relics.setdefault(owner_of(item), {})[_uid(item)] = item
        return self.pods.forget(item)

    def forget_deletions(self) -> None:
        """Drop the memory of deletions in all kinds."""
        for cache in (self.imports, self.jobs, self.pods):
            cache.forget_deletions()
