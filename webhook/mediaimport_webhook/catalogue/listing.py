"""Lists of assets: those of the cache, and those that only the catalogue's database knows whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.index import EntryPage
from mediaimport_webhook.catalogue.query import Query
from mediaimport_webhook.catalogue.totals import Duplicates, Total, duplicates_of, totals_of
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mediaimport_webhook.catalogue.archive import Archive
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.query import Place
    from mediaimport_webhook.catalogue.recorded import RecordedImport

_ROWS_OF_ONE = 4


@dataclass(frozen=True)
class Listing:
    """Pages of assets. Of a resource that the cache has whole, it alone says how it is: its row may be older."""

    catalogue: Catalogue
    archive: Archive | None

    async def page(self, query: Query, *, user_id: str | None) -> EntryPage:
        """Return one page; DatabaseUnavailableError, and a 422 Problem for a search without a database."""
        if query.words:
            return await self._searched(query, user_id=user_id)
        present = self.catalogue.page(query, user_id=user_id)
        if self.archive is None:
            return present
        gone, has_more = await self._gone(self.archive, query, user_id=user_id, until=present.last)
        merged = {query.place(each): each for each in [*gone, *present.entries]}
        entries = [merged[place] for place in sorted(merged, reverse=query.sort.descending)]
        page = entries[: query.limit]
        has_more = has_more or present.last is not None or len(entries) > query.limit
        return EntryPage(page, query.place(page[-1]) if page and has_more else None)

    async def _searched(self, query: Query, *, user_id: str | None) -> EntryPage:
        """Return one page of what the database finds; the cache says how it is now, and whether it is deleted."""
        if self.archive is None:
            raise problems.catalogue_required("?q")
        rows = await self.archive.page(query, user_id=user_id, limit=query.limit + 1, after=query.after)
        page = rows[: query.limit]
        return EntryPage(self._current(page), query.place(page[-1]) if len(rows) > query.limit else None)

    async def newest(self, resource_names: Iterable[str]) -> list[Entry]:
        """Return these resources' entries, whether the cache has them whole; DatabaseUnavailableError.

        Those that are gone, or being deleted, are left out.
        """
        names = list(resource_names)
        found = [entry for each in names if (entry := self.catalogue.get(each)) is not None]
        recorded = [one for each in names if (one := self.catalogue.recorded.get(each)) is not None]
        return found if self.archive is None or not recorded else found + await self._rows(self.archive, recorded)

    async def _rows(self, archive: Archive, recorded: list[RecordedImport]) -> list[Entry]:
        wanted = {each.resource_name for each in recorded}
        query = Query(ids=frozenset(each.asset_id.lower() for each in recorded))
        # Two resources may name one asset, so there may be more rows than ids.
        rows = await archive.page(query, user_id=None, limit=_ROWS_OF_ONE * len(query.ids), after=None)
        return self._current([each for each in rows if each.resource_name in wanted])

    def _current(self, rows: list[Entry]) -> list[Entry]:
        """Return what rows show, as the cache has it if it does, without what is being deleted."""
        current = [
            self.catalogue.get(each.resource_name)
            if self.catalogue.holds(each.resource_name, asset_id=each.asset_id)
            else each
            for each in rows
        ]
        return [each for each in current if each is not None]

    async def totals(self, *, user_id: str | None) -> list[Total]:
        """Return the totals of that user's assets, or of all for None; DatabaseUnavailableError.

        With a database they are its own, which lag a moment behind the cache.
        """
        if self.archive is None:
            return totals_of(self.catalogue.entries_of(user_id))
        return await self.archive.totals(user_id)

    async def duplicates(self, *, user_id: str | None) -> Duplicates:
        """Return the duplicates among that user's assets, or among all for None, as `totals` does."""
        if self.archive is None:
            return duplicates_of(self.catalogue.entries_of(user_id))
        return await self.archive.duplicates(user_id)

    async def forget(self, entry: Entry) -> None:
        """Remove the row of an asset without resource and stored objects; DatabaseUnavailableError."""
        if self.archive is not None:
            await self.archive.remove(entry)

    async def _gone(
        self, archive: Archive, query: Query, *, user_id: str | None, until: Place | None
    ) -> tuple[list[Entry], bool]:
        """Return the first assets that the cache has not whole, one page and perhaps more, and whether rows are left.

        Rows from `until` on, where the cache's own page ends, are of a later page.
        """
        found: list[Entry] = []
        after = query.after
        while True:
            rows = await archive.page(query, user_id=user_id, limit=query.limit + 1, after=after)
            found += [each for each in rows if not self.catalogue.holds(each.resource_name, asset_id=each.asset_id)]
            if len(rows) <= query.limit:
                return found, False
            after = query.place(rows[-1])
            if len(found) > query.limit or (until is not None and not query.comes_first(after, until)):
                return found, True
