"""Changes of the catalogue, for those who follow all assets of a user.

A follower keeps the names of what has changed, not each change: who reads slowly gets each asset's newest state.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mediaimport_webhook.catalogue.entry import Entry

MAX_GONE = 10_000
"""Assets that are gone which are remembered, for clients that reconnect."""


@dataclass(frozen=True)
class Gone:
    """An asset that is deleted, or whose import went before its end, as of that version."""

    version: int
    user_id: str
    asset_id: str


@dataclass(eq=False)
class Follower:
    """Changes since they were taken last: resources by name, and assets that are gone."""

    names: dict[str, None] = field(default_factory=dict)
    gone: dict[str, Gone] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self) -> tuple[list[str], list[Gone]]:
        """Return all of it, and begin anew."""
        names, gone = list(self.names), list(self.gone.values())
        self.names.clear()
        self.gone.clear()
        return names, gone


class Changes:
    """The followers of each user's assets, and what is gone of late."""

    def __init__(self) -> None:
        self._followers: defaultdict[str | None, set[Follower]] = defaultdict(set)
        self._gone: deque[Gone] = deque(maxlen=MAX_GONE)
        self._known_since = 0

    def begin(self, version: int) -> None:
        """Note the version of the first list: nobody knows what was gone before."""
        self._known_since = max(self._known_since, version)

    @contextmanager
    def follow(self, user_id: str | None) -> Iterator[Follower]:
        """Yield a follower of that user's assets, or of everybody's for None."""
        follower = Follower()
        self._followers[user_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[user_id].discard(follower)
            if not self._followers[user_id]:
                del self._followers[user_id]

    def put(self, entry: Entry, known: Entry | None) -> None:
        """Take over a new version of an entry."""
        if not entry.deleted:
            for each in self._followers_of(entry):
                each.names[entry.resource_name] = None
                each.gone.pop(entry.asset_id, None)
                each.changed.set()
        elif known is None or not known.deleted:
            self._note(Gone(entry.version, entry.user_id, entry.asset_id), entry)

    def forgotten(self, entry: Entry, *, version: int) -> None:
        """Take over the end of a resource. A finished asset stays stored, and is found without it."""
        if not entry.deleted and entry.status == "uploading":
            self._note(Gone(version, entry.user_id, entry.asset_id), entry)

    def gone_since(self, version: int, user_id: str | None) -> list[Gone] | None:
        """Return what is gone of that user's after that version; None if nobody knows any more."""
        if version < self._known_since:
            return None
        return [each for each in self._gone if each.version > version and user_id in {None, each.user_id}]

    def _note(self, gone: Gone, entry: Entry) -> None:
        if len(self._gone) == MAX_GONE:
            self._known_since = max(self._known_since, self._gone[0].version)
        self._gone.append(gone)
        for each in self._followers_of(entry):
            each.names.pop(entry.resource_name, None)
            each.gone[entry.asset_id] = gone
            each.changed.set()

    def _followers_of(self, entry: Entry) -> Iterator[Follower]:
        for owner in (None, entry.user_id):
            yield from self._followers.get(owner, ())
