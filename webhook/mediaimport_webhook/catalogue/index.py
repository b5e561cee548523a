"""What the shim knows of all imports: fed by the reflector and by its own writes, read by every route."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.entry import Entry, entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mediaimport_webhook.cluster import Resource

Order = tuple[str, str, str]


@dataclass(frozen=True)
class Slice:
    """Some entries, newest first; `last` is where to go on, None at the end."""

    entries: list[Entry]
    last: Order | None


class Catalogue:
    """All entries in memory, by name, by asset id and in order."""

    def __init__(self) -> None:
        self._by_name: dict[str, Entry] = {}
        self._names_by_asset: defaultdict[str, set[str]] = defaultdict(set)
        self._orders: defaultdict[str | None, list[Order]] = defaultdict(list)
        self._seen_version = 0
        self.swept = 0
        """How many of them the sweep made."""
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._by_name)

    def replace(self, entries: Iterable[Entry], *, version: int) -> None:
        """Take over a whole list: what it lacks is gone, unless it is newer than the list."""
        listed = set()
        for entry in entries:
            listed.add(entry.resource_name)
            self._put(entry)
        stale = [each for name, each in self._by_name.items() if name not in listed and each.version <= version]
        for each in stale:
            self._remove(each)
        self.advance(version)

    def observe(self, resource: Resource) -> None:
        """Take over what the watch tells of one resource."""
        entry = entry_of(resource)
        self._put(entry)
        self.advance(entry.version)

    def forget(self, resource: Resource) -> None:
        """Take over that a resource was deleted."""
        known = self._by_name.get(resource["metadata"]["name"])
        version = int(resource["metadata"]["resourceVersion"])
        if known is not None and known.version <= version:
            self._remove(known)
        self.advance(version)

    def advance(self, version: int) -> None:
        """Note that all is known up to that version."""
        self._seen_version = max(self._seen_version, version)

    def insert(self, resource: Resource) -> Entry:
        """Take over an answer to our own write or read, so that a caller reads it; return its entry.

        What the watch has passed already and is not here was deleted since: it is not brought back.
        """
        entry = entry_of(resource)
        if entry.resource_name in self._by_name or entry.version > self._seen_version:
            self._put(entry)
        return entry

    def named(self, resource_name: str) -> Entry | None:
        """Return the entry of that resource, None if it is gone or going."""
        entry = self._by_name.get(resource_name)
        return None if entry is None or entry.deleted else entry

    def all_of(self, user_id: str | None) -> Iterator[Entry]:
        """Return the entries of that user, of all for None, newest first."""
        return self._backwards(user_id, None)

    @contextmanager
    def following(self, resource_name: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever that resource changes or goes."""
        changed = asyncio.Event()
        self._followers[resource_name].add(changed)
        try:
            yield changed
        finally:
            self._followers[resource_name].discard(changed)
            if not self._followers[resource_name]:
                del self._followers[resource_name]

    def find(self, asset_id: str, *, user_id: str | None) -> Entry | None:
        """Return the asset, of that user only unless None; of two resources with one asset id the older."""
        entries = (self._by_name[name] for name in self._names_by_asset.get(asset_id.lower(), ()))
        seen = [each for each in entries if user_id in {None, each.user_id}]
        return min(seen, key=lambda each: each.order, default=None)

    def newest(self, *, user_id: str | None, limit: int, after: Order | None, wanted: Callable[[Entry], bool]) -> Slice:
        """Return at most `limit` wanted entries that come after that place, newest first."""
        found: list[Entry] = []
        for entry in self._backwards(user_id, after):
            if len(found) == limit:
                return Slice(found, found[-1].order)
            if wanted(entry):
                found.append(entry)
        return Slice(found, None)

    def _backwards(self, user_id: str | None, after: Order | None) -> Iterator[Entry]:
        orders = self._orders.get(user_id, [])
        start = len(orders) if after is None else bisect_left(orders, after)
        for place in range(start - 1, -1, -1):
            entry = self._by_name[orders[place][2]]
            if not entry.deleted:
                yield entry

    def _put(self, entry: Entry) -> None:
        known = self._by_name.get(entry.resource_name)
        if known is not None:
            if known.version >= entry.version:
                return
            self._remove(known)
        self._by_name[entry.resource_name] = entry
        self.swept += entry.swept
        self._names_by_asset[entry.asset_id.lower()].add(entry.resource_name)
        for owner in (None, entry.user_id):
            insort(self._orders[owner], entry.order)
        self._tell(entry.resource_name)

    def _tell(self, resource_name: str) -> None:
        for changed in self._followers.get(resource_name, ()):
            changed.set()

    def _remove(self, entry: Entry) -> None:
        del self._by_name[entry.resource_name]
        self.swept -= entry.swept
        self._tell(entry.resource_name)
        _discard(self._names_by_asset, entry.asset_id.lower(), entry.resource_name)
        for owner in (None, entry.user_id):
            orders = self._orders[owner]
            del orders[bisect_left(orders, entry.order)]


def _discard(index: defaultdict[str, set[str]], key: str, name: str) -> None:
    index[key].discard(name)
    if not index[key]:
        del index[key]
