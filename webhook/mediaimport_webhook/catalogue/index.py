"""Index of all imports in memory (the read cache), fed by the reflector and by the webhook's own writes.

With a catalogue's database an import that has ended leaves it once its row is written, but for what `recorded` keeps.
"""

from __future__ import annotations

import asyncio
import heapq
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from mediaimport_webhook.catalogue.changes import Changes
from mediaimport_webhook.catalogue.entry import Entry, entry_of
from mediaimport_webhook.catalogue.recorded import RecordedImport, RecordedImports
from mediaimport_webhook.catalogue.removed import RemovedOutputs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from mediaimport_webhook.catalogue.query import Place, Query
    from mediaimport_webhook.cluster import Resource

Order = tuple[str, str, str]


@dataclass(frozen=True)
class EntryPage:
    """Entries in the query's order; `last` is the place for the next page, None on the last one."""

    entries: list[Entry]
    last: Place | None


def _ignore(_: Entry) -> None:
    pass


def _is_never_recorded(_: Entry) -> bool:
    return False


class Catalogue:
    """All entries, by name, by asset id and in order of creation. `on_removed` gets each that a prediction loses.

    `on_changed` gets each new version of an entry, `on_gone` the last one of a resource that is gone. `is_recorded`
    tells whether an import has ended and its row is written: its entry is then kept in short alone.
    """

    def __init__(
        self,
        on_removed: Callable[[Entry], None] = _ignore,
        *,
        on_changed: Callable[[Entry], None] = _ignore,
        on_gone: Callable[[Entry], None] = _ignore,
        is_recorded: Callable[[Entry], bool] = _is_never_recorded,
    ) -> None:
        self._removed = RemovedOutputs(on_removed)
        self._on_changed = on_changed
        self._on_gone = on_gone
        self._is_recorded = is_recorded
        self.recorded = RecordedImports()
        self.lost = asyncio.Event()
        """Set when a recorded import is gone whose end nobody saw."""
        self._by_name: dict[str, Entry] = {}
        self._names_by_asset: defaultdict[str, set[str]] = defaultdict(set)
        self._orders: defaultdict[str | None, list[Order]] = defaultdict(list)
        self._seen_version = 0
        self.changes = Changes()
        self._recovered = 0
        self._broken = 0
        self._subscribers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._by_name) + len(self.recorded)

    @property
    def entries(self) -> int:
        """Return the number of imports that are kept whole."""
        return len(self._by_name)

    @property
    def recovered(self) -> int:
        """Return the number of imports that recovery created."""
        return self._recovered + self.recorded.recovered

    @property
    def broken(self) -> int:
        """Return the number of imports that cannot be shown whole."""
        return self._broken + self.recorded.broken

    def replace(self, entries: Iterable[Entry], *, version: int) -> None:
        """Replace all entries by those of a list, except entries that are newer than the list."""
        listed = set()
        for entry in entries:
            listed.add(entry.resource_name)
            self.put_listed(entry)
        self.end_list(listed, version=version)

    def put_listed(self, entry: Entry) -> None:
        """Take over an entry of a list, unless a newer one is here; `end_list` follows the last one."""
        self._put(entry)

    def end_list(self, listed: Collection[str], *, version: int) -> None:
        """Drop what a list of that version lacks, except what is newer than the list."""
        if not self._seen_version:
            self.changes.begin(version)
        stale = [each for name, each in self._by_name.items() if name not in listed and each.version <= version]
        for each in stale:
            self._remove(each)
            self._note_gone(each, version=version)
        for name in self.recorded.missing(listed, version=version):
            self.recorded.discard(name)
            self.lost.set()
        self.advance(version)

    def observe(self, resource: Resource) -> None:
        """Take over a watch event's resource, added or modified."""
        entry = entry_of(resource)
        self._put(entry)
        self.advance(entry.version)

    def forget(self, resource: Resource) -> None:
        """Take over a watch event's deletion."""
        name, version = resource["metadata"]["name"], int(resource["metadata"]["resourceVersion"])
        known, recorded = self._by_name.get(name), self.recorded.get(name)
        if known is not None and known.version <= version:
            self._remove(known)
            self._note_gone(known, version=version)
        elif recorded is not None and recorded.version <= version:
            self.recorded.discard(name)
            self._note_gone(entry_of(resource), version=version)
        self.advance(version)

    def release(self, resource_name: str) -> None:
        """Keep that import in short alone, if it is recorded."""
        entry = self._by_name.get(resource_name)
        if entry is not None and self._is_recorded(entry):
            self._drop(entry)
            self.recorded.add(entry)

    def removed_outputs(self, job_id: str) -> int:
        """Return the number of imports of a prediction that were here and are deleted, or are being deleted."""
        return self._removed.count(job_id)

    def advance(self, version: int) -> None:
        """Note the version up to which all changes are known."""
        self._seen_version = max(self._seen_version, version)

    def insert(self, resource: Resource) -> Entry:
        """Take over the response to a write or read of our own, so that the caller reads it; return its entry.

        A resource of a version that the watch has passed, and that is not here, was deleted since: it is left out.
        """
        return self.insert_entry(entry_of(resource))

    def insert_entry(self, entry: Entry) -> Entry:
        """Take over an entry, likewise."""
        if self.has_name(entry.resource_name) or entry.version > self._seen_version:
            self._put(entry)
        return entry

    @property
    def seen_version(self) -> int:
        """Return the version up to which all changes are known."""
        return self._seen_version

    def holds(self, resource_name: str, *, asset_id: str) -> bool:
        """Return whether the entry of that resource is here with that asset, even if it is being deleted."""
        entry = self._by_name.get(resource_name)
        return entry is not None and entry.asset_id == asset_id

    def exists(self, resource_name: str, *, asset_id: str) -> bool:
        """Return whether that resource exists with that asset, kept whole or in short."""
        known = self._by_name.get(resource_name) or self.recorded.get(resource_name)
        return known is not None and known.asset_id == asset_id

    def has_name(self, resource_name: str) -> bool:
        """Return whether a resource of that name exists, even if it is being deleted."""
        return resource_name in self._by_name or self.recorded.get(resource_name) is not None

    def get(self, resource_name: str) -> Entry | None:
        """Return the entry of that resource, None if it is deleted, being deleted or kept in short alone."""
        entry = self._by_name.get(resource_name)
        return None if entry is None or entry.deleted else entry

    def entries_of(self, user_id: str | None) -> Iterator[Entry]:
        """Return the entries of that user, or of all users for None, newest first."""
        return self._backwards(user_id)

    def told(self, user_id: str) -> Iterator[Entry | RecordedImport]:
        """Yield the imports of that user of which somebody was to be told, also those that are being deleted."""
        for _, _, name in self._orders.get(user_id, ()):
            if self._by_name[name].told is not None:
                yield self._by_name[name]
        yield from (each for each in self.recorded.of_user(user_id) if each.told is not None)

    def changed_since(self, version: int, user_id: str | None) -> list[str]:
        """Return the names of the resources of that user, or of all for None, that are newer than that version."""
        known: tuple[Iterable[Entry | RecordedImport], ...] = self._backwards(user_id), self.recorded.of_user(user_id)
        return [each.resource_name for each in chain(*known) if each.version > version]

    @contextmanager
    def subscribe(self, resource_name: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set at each change or deletion of that resource."""
        changed = asyncio.Event()
        self._subscribers[resource_name].add(changed)
        try:
            yield changed
        finally:
            self._subscribers[resource_name].discard(changed)
            if not self._subscribers[resource_name]:
                del self._subscribers[resource_name]

    def find(self, asset_id: str, *, user_id: str | None) -> Entry | None:
        """Return the asset, of that user or for None of any; of two resources with one asset id the older."""
        entries = [self._by_name[name] for name in self._names_by_asset.get(asset_id.lower(), ())]
        visible = [each for each in entries if user_id is None or user_id == each.user_id]
        return min(visible, key=lambda each: each.order, default=None)

    def page(self, query: Query, *, user_id: str | None) -> EntryPage:
        """Return one page of the entries that match; `words` are no filter here."""
        found = list(islice(self._matching(query, user_id), query.limit + 1))
        page = found[: query.limit]
        return EntryPage(page, query.place(page[-1]) if len(found) > query.limit else None)

    def _matching(self, query: Query, user_id: str | None) -> Iterator[Entry]:
        """Yield, in the query's order, at least a page and one more of the entries that come after its place."""
        if not query.ids and not query.sort.by_size:
            return query.filtered(self._in_time(user_id, query))
        entries = self._with_ids(query.ids, user_id) if query.ids else self._backwards(user_id)
        after = query.after
        matching = (
            each for each in query.filtered(entries) if after is None or query.comes_first(after, query.place(each))
        )
        first = heapq.nlargest if query.sort.descending else heapq.nsmallest
        return iter(first(query.limit + 1, matching, key=query.place))

    def _with_ids(self, ids: Iterable[str], user_id: str | None) -> Iterator[Entry]:
        names = (name for each in ids for name in self._names_by_asset.get(each, ()))
        entries = (self._by_name[name] for name in names)
        return (each for each in entries if user_id in {None, each.user_id} and not each.deleted)

    def _in_time(self, user_id: str | None, query: Query) -> Iterator[Entry]:
        """Yield what comes after the query's place, by the time of creation."""
        orders: list[Any] = self._orders.get(user_id, [])
        if query.sort.descending:
            return self._backwards(user_id, len(orders) if query.after is None else bisect_left(orders, query.after))
        start = 0 if query.after is None else bisect_right(orders, query.after)
        return self._present(orders[place] for place in range(start, len(orders)))

    def _backwards(self, user_id: str | None, end: int | None = None) -> Iterator[Entry]:
        orders = self._orders.get(user_id, [])
        return self._present(orders[place] for place in range((len(orders) if end is None else end) - 1, -1, -1))

    def _present(self, orders: Iterable[Order]) -> Iterator[Entry]:
        entries = (self._by_name[name] for _, _, name in orders)
        return (each for each in entries if not each.deleted)

    def _put(self, entry: Entry) -> None:
        known, recorded = self._by_name.get(entry.resource_name), self.recorded.get(entry.resource_name)
        newest = known or recorded
        if newest is not None and newest.version >= entry.version:
            return
        if known is not None:
            self._remove(known)
        self.recorded.discard(entry.resource_name)
        self._by_name[entry.resource_name] = entry
        self._recovered += entry.recovered
        self._broken += entry.json["broken"] is not None
        self._names_by_asset[entry.asset_id.lower()].add(entry.resource_name)
        for owner in (None, entry.user_id):
            insort(self._orders[owner], entry.order)
        if entry.deleted:
            self._removed.note(entry)
        self._on_changed(entry)
        self.changes.put(entry, known)
        self._notify(entry.resource_name)
        self.release(entry.resource_name)

    def _notify(self, resource_name: str) -> None:
        for changed in self._subscribers.get(resource_name, ()):
            changed.set()

    def _note_gone(self, entry: Entry, *, version: int) -> None:
        """Tell all of the last version of a resource that is here no more."""
        self._notify(entry.resource_name)
        self.changes.forgotten(entry, version=version)
        self._on_gone(entry)
        self._removed.note(entry)

    def _remove(self, entry: Entry) -> None:
        self._drop(entry)
        self._notify(entry.resource_name)

    def _drop(self, entry: Entry) -> None:
        del self._by_name[entry.resource_name]
        self._recovered -= entry.recovered
        self._broken -= entry.json["broken"] is not None
        _discard(self._names_by_asset, entry.asset_id.lower(), entry.resource_name)
        for owner in (None, entry.user_id):
            orders = self._orders[owner]
            del orders[bisect_left(orders, entry.order)]
            if not orders:
                del self._orders[owner]


def _discard(index: defaultdict[str, set[str]], key: str, name: str) -> None:
    index[key].discard(name)
    if not index[key]:
        del index[key]
