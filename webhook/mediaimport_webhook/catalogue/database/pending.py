"""Pending changes: what the recorder has not written yet, for itself and for reads of the database. Pure."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.overlay import edited_like

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mediaimport_webhook.catalogue.entry import Entry

Key = tuple[str, str, str]
"""Primary key of a row: user, asset and resource."""


@dataclass(frozen=True, eq=False)
class Change:
    """The newest version of a resource, or its last one."""

    entry: Entry
    is_gone: bool

    @property
    def key(self) -> Key:
        """Return the key of the row."""
        return key_of(self.entry)

    @property
    def is_lost(self) -> bool:
        """Return whether the import went with its resource before its end: it then has no row."""
        return self.is_gone and self.entry.status == "uploading" and not self.entry.deleted


def key_of(entry: Entry) -> Key:
    """Return the key of an entry's row."""
    return entry.user_id, entry.asset_id, entry.resource_name


class Pending:
    """Changes that wait to be written, the newest of each row. `writing` is held by who changes the database."""

    def __init__(self) -> None:
        self._changes: dict[Key, Change] = {}
        self._gone: defaultdict[str, dict[Key, Change]] = defaultdict(dict)
        """Those whose resource is gone, by asset: the cache tells how all others are."""
        self._views: list[dict[Key, Change]] = []
        self.writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._changes)

    def put(self, change: Change) -> None:
        """Take over a change."""
        self.discard(change.entry)
        self._changes[change.key] = change
        if change.is_gone:
            self._gone[_asset_of(change.entry)][change.key] = change
            for each in self._views:
                each[change.key] = change

    def has(self, entry: Entry) -> bool:
        """Return whether a change of that row waits."""
        return key_of(entry) in self._changes

    def first(self, limit: int) -> list[Change]:
        """Return the oldest changes."""
        return list(islice(self._changes.values(), limit))

    def written(self, changes: Iterable[Change]) -> None:
        """Take over that changes are written. A row that has changed since still waits."""
        for each in changes:
            if self._changes.get(each.key) is each:
                self.discard(each.entry)

    def edit(self, entry: Entry) -> None:
        """Take over name, tags and metadata of an entry, unless the change has a later edit."""
        known = self._changes.get(key_of(entry))
        if known is not None and known.entry.overlay_revision < entry.overlay_revision:
            self.put(Change(edited_like(known.entry, entry), is_gone=known.is_gone))

    def discard(self, entry: Entry) -> None:
        """Drop the change of that row."""
        self._changes.pop(key_of(entry), None)
        asset = _asset_of(entry)
        if asset in self._gone:
            self._gone[asset].pop(key_of(entry), None)
            if not self._gone[asset]:
                del self._gone[asset]

    @contextmanager
    def gone(self, asset_id: str | None = None) -> Iterator[dict[Key, Change]]:
        """Yield the changes of resources that are gone, of that asset or for None of all.

        It grows while it is open, and nothing leaves it: a read of the database that began before a change was
        written does not miss it.
        """
        by_asset = self._gone.values() if asset_id is None else [self._gone.get(asset_id, {})]
        view = {key: change for changes in by_asset for key, change in changes.items()}
        self._views.append(view)
        try:
            yield view
        finally:
            self._views[:] = [each for each in self._views if each is not view]


def _asset_of(entry: Entry) -> str:
    return entry.asset_id.lower()
