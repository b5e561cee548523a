"""The cache of one kind of object: the newest version of each, fed by watches, resyncs and our own writes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_runtime.kubernetes import objects

from mediaimport_operator.observe.resource import Due

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from mediaimport_runtime.kubernetes.objects import Object


def _version(item: Object) -> int:
    """Return the resourceVersion as a number: Kubernetes promises that they compare so (KEP-5504)."""
    text = item["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def uid_of(item: Object) -> str:
    """Return the object's uid."""
    return str(item["metadata"]["uid"])


_KeptMeta = tuple[str, int, str, int]
"""The fields of a `_Meta`. The garbage collector never looks through a bare tuple of strings and numbers again."""


class _Meta(NamedTuple):
    """Metadata that is read without unpacking the object; `key` is the uid of its import, `due` its next reconcile."""

    namespace: str
    version: int
    key: str
    due: Due

    @classmethod
    def of(cls, kept: _KeptMeta) -> _Meta:
        """Return the metadata that a cache keeps."""
        namespace, version, key, due = kept
        return cls(namespace, version, key, Due(due))


class Cache:
    """Objects of one kind by uid. An older version never replaces a newer one, nor restores a deleted object.

    Inactive objects are packed: there may be ten thousand, and they are rarely read.
    """

    def __init__(self) -> None:
        self._items: dict[str, Object | bytes] = {}
        self._meta: dict[str, _KeptMeta] = {}
        self._known_news: dict[str, int | None] = {}
        """The hash of what a reconcile reads of an object: it would have to be read of two versions at each event."""
        self._deleted: dict[str, str] = {}
        """The namespace of each deleted object, by uid."""

    def __len__(self) -> int:
        return len(self._meta)

    def __iter__(self) -> Iterator[Object]:
        yield from (unpacked(each) for each in list(self._items.values()))

    def get(self, uid: str) -> Object | None:
        """Return the object with that uid."""
        item = self._items.get(uid)
        return None if item is None else unpacked(item)

    def is_known(self, item: Object) -> bool:
        """Return whether that version of an object, or a newer one, is cached, or the object was deleted."""
        uid = uid_of(item)
        return uid in self._deleted or (uid in self._meta and _version(item) <= _Meta.of(self._meta[uid]).version)

    def update(self, item: Object) -> bool:
        """Store an object; return whether it was newer than the cached one."""
        if self.is_known(item):
            return False
        uid, version = uid_of(item), _version(item)
        self._known_news.pop(uid, None)
        item = self._trimmed(item)
        namespace = sys.intern(item["metadata"]["namespace"])
        self._meta[uid] = (namespace, version, self._key(item), self._due(item).value)
        self._insert(item)
        return True

    def update_with_news(self, item: Object) -> bool:
        """Store an object; return whether a reconcile reads anything else of it than of the cached one."""
        if self.is_known(item):
            return False
        uid = uid_of(item)
        known = self._known_news[uid] if uid in self._known_news else self._news_of(uid)
        self.update(item)
        news = self._known_news[uid] = self._news_of(uid, item)
        return news is None or news != known

    def _news_of(self, uid: str, item: Object | None = None) -> int | None:
        """Return the hash of what a reconcile reads of an object; None if it is not cached, or cannot be read."""
        try:
            return hash(self._news(uid, item)) if uid in self._meta else None
        except Exception:  # noqa: BLE001 - any field may hold anything; the reconcile reports it
            return None

    def restore(self, item: Object) -> None:
        """Store an object that a watch has reported as deleted, but that has only left the watch's selector."""
        self._deleted.pop(uid_of(item), None)
        self.update(item)

    def remove(self, item: Object) -> bool:
        """Remove a deleted object; return whether it was cached."""
        self._deleted[uid_of(item)] = item["metadata"].get("namespace", "")
        return self._drop(uid_of(item))

    def store_listed(self, item: Object) -> str | None:
        """Store an object of a list; return its import if that needs a reconcile.

        An import that is new and completed needs none: what it still has, Jobs and pods, comes by other lists.
        """
        uid = uid_of(item)
        is_new = uid not in self._meta
        if not self.update(item):
            return None
        meta = _Meta.of(self._meta[uid])
        return None if is_new and meta.due is Due.NEVER else meta.key

    def remove_missing(self, namespace: str, listed: Container[str], version: str) -> Iterator[str | None]:
        """Remove a namespace's objects that its list as of that version does not contain.

        Others may run after each step: it yields the import of an object that it has removed, else None.
        """
        for uid, kept in list(self._meta.items()):
            meta = _Meta.of(kept)
            # Meanwhile others may have removed it, or stored a newer version.
            missing = uid not in listed and meta.namespace == namespace and meta.version <= int(version)
            yield meta.key if missing and self._meta.get(uid) is kept and self._drop(uid) else None

    def forget_deletions(self, namespace: str) -> None:
        """Forget which objects of a namespace were deleted: before a list that can no longer contain them."""
        self._deleted = {uid: where for uid, where in self._deleted.items() if where != namespace}

    def _drop(self, uid: str) -> bool:
        kept = self._meta.pop(uid, None)
        self._known_news.pop(uid, None)
        if kept is not None:
            self._discard(uid, _Meta.of(kept).key)
        return kept is not None

    def _key(self, item: Object) -> str:
        """Return the uid of the object's import."""
        return uid_of(item)

    def _due(self, item: Object) -> Due:  # noqa: ARG002 - ImportCache needs it
        return Due.NOW

    def _trimmed(self, item: Object) -> Object:
        return objects.strip_managed_fields(item)

    def _insert(self, item: Object) -> None:
        self._items[uid_of(item)] = objects.pack(item) if self._is_inactive(item.get("status") or {}) else item

    def _discard(self, uid: str, key: str) -> None:  # noqa: ARG002 - OwnedCache needs it
        del self._items[uid]

    def _is_inactive(self, status: Object) -> bool:  # noqa: ARG002 - the other caches need it
        return False

    def _news(self, uid: str, item: Object | None) -> object:  # noqa: ARG002 - OwnedCache needs it
        """Return all that a reconcile reads of an object, hashable; of an import, any version.

        `item` is the object if it is at hand: it may be packed in the cache.
        """
        return _Meta.of(self._meta[uid]).version

    def _due_of(self, uid: str) -> Due | None:
        """Return when a cached object needs its next reconcile."""
        kept = self._meta.get(uid)
        return None if kept is None else _Meta.of(kept).due


def unpacked(item: Object | bytes) -> Object:
    """Return an object that may be packed."""
    return objects.unpack(item) if isinstance(item, bytes) else item
