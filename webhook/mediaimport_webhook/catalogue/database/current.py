"""Archive as of now: rows of the database, and what the recorder has not written yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.database.pending import key_of
from mediaimport_webhook.catalogue.database.rows import row_of

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.database.archive import DatabaseArchive
    from mediaimport_webhook.catalogue.database.pending import Change, Pending
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.query import Place, Query
    from mediaimport_webhook.catalogue.totals import Duplicates, Total


class CurrentArchive:
    """The database's archive, which is never older than the cache.

    A resource that the cache has just forgotten may have an old row, or none, until the recorder has written it.
    """

    def __init__(self, rows: DatabaseArchive, pending: Pending) -> None:
        self._rows = rows
        self._pending = pending

    async def find(self, asset_id: str, *, user_id: str | None) -> Entry | None:
        """Return the asset, of that user or for None of any; one that is ready before others, then the oldest."""
        with self._pending.gone(asset_id.lower()) as gone:
            stored = await self._rows.find(asset_id, user_id=user_id)
            changes = [each for each in gone.values() if _is_of(each, asset_id=asset_id, user_id=user_id)]
            if not changes:
                return stored
            if stored is not None and key_of(stored) in gone:
                names = {each.entry.resource_name for each in changes}
                stored = await self._rows.find(asset_id, user_id=user_id, without=names)
        found = [each.entry for each in changes if not each.is_lost]
        return min([*found, *([stored] if stored else [])], key=_preference, default=None)

    async def page(self, query: Query, *, user_id: str | None, limit: int, after: Place | None) -> list[Entry]:
        """Return at most `limit` assets that match and come after that place, in the query's order."""
        with self._pending.gone() as gone:
            found: list[Entry] = []
            rows, place = None, after
            while rows is None or (len(rows) == limit and len(found) < limit):
                rows = await self._rows.page(query, user_id=user_id, limit=limit, after=place)
                found += [each for each in rows if key_of(each) not in gone]
                place = query.place(rows[-1]) if rows else place
            # An entry of `gone` is newer than its row, wherever in the pages that one was.
            changes = [each for each in gone.values() if user_id in {None, each.entry.user_id}]
        found = [each for each in found if key_of(each) not in gone]
        found += [each.entry for each in changes if _is_listed(each, query, after)]
        return sorted(found, key=query.place, reverse=query.sort.descending)[:limit]

    async def edit(self, entry: Entry) -> None:
        """Take over name, tags and metadata of an entry into its row, and into what waits to be written."""
        async with self._pending.writing:
            await self._rows.edit(entry)
            self._pending.edit(entry)

    async def totals(self, user_id: str | None) -> list[Total]:
        """Return the totals of that user's assets, or of all for None; a change of the last moment may be missing."""
        return await self._rows.totals(user_id)

    async def duplicates(self, user_id: str | None) -> Duplicates:
        """Return the duplicates among that user's assets, or among all for None, as `totals` does."""
        return await self._rows.duplicates(user_id)

    async def remove(self, entry: Entry) -> None:
        """Remove the row of an asset that has no resource and no stored objects; what waits to be written, too."""
        async with self._pending.writing:
            await self._rows.remove(entry)
            self._pending.discard(entry)


def _is_of(change: Change, *, asset_id: str, user_id: str | None) -> bool:
    return change.entry.asset_id.lower() == asset_id.lower() and user_id in {None, change.entry.user_id}


def _preference(entry: Entry) -> tuple[object, ...]:
    return entry.status != "ready" or entry.deleted, *entry.order


def _is_listed(change: Change, query: Query, after: Place | None) -> bool:
    entry = change.entry
    is_shown = not (change.is_lost or entry.deleted) and query.matches(entry) and _has_words(entry, query.words)
    return is_shown and (after is None or query.comes_first(after, query.place(entry)))


def _has_words(entry: Entry, words: tuple[str, ...]) -> bool:
    """Return whether each of the words is the beginning of one of the entry's."""
    if not words:
        return True
    held = row_of(entry)["search_words"].split(" ")
    return all(any(word.startswith(each) for word in held) for each in words)
