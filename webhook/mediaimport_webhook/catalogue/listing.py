"""Lists of assets: those of the cache, and those that only the catalogue's database still knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.index import EntryPage

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.archive import Archive
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue, Order
    from mediaimport_webhook.catalogue.query import Query


@dataclass(frozen=True)
class Listing:
    """Pages of assets. Of a resource that exists the cache alone says how it is: its row may be older."""

    catalogue: Catalogue
    archive: Archive | None

    async def newest(self, query: Query, *, user_id: str | None) -> EntryPage:
        """Return one page, newest first; DatabaseUnavailableError."""
        present = self.catalogue.newest(user_id=user_id, limit=query.limit, after=query.after, matches=query.matches)
        if self.archive is None:
            return present
        gone, has_more = await self._gone(self.archive, query, user_id=user_id, until=present.last)
        merged = {each.order: each for each in [*gone, *present.entries]}
        entries = [merged[order] for order in sorted(merged, reverse=True)]
        page = entries[: query.limit]
        has_more = has_more or present.last is not None or len(entries) > query.limit
        return EntryPage(page, page[-1].order if page and has_more else None)

    async def forget(self, entry: Entry) -> None:
        """Remove the row of an asset without resource and stored objects; DatabaseUnavailableError."""
        if self.archive is not None:
            await self.archive.remove(entry)

    async def _gone(
        self, archive: Archive, query: Query, *, user_id: str | None, until: Order | None
    ) -> tuple[list[Entry], bool]:
        """Return the newest assets without a resource, one page and perhaps more, and whether rows are left.

        Rows from `until` on, where the cache's own page ends, are of a later page.
        """
        found: list[Entry] = []
        after = query.after
        while True:
            rows = await archive.newest(query, user_id=user_id, limit=query.limit + 1, after=after)
            found += [each for each in rows if not self.catalogue.holds(each.resource_name, asset_id=each.asset_id)]
            if len(rows) <= query.limit:
                return found, False
            after = rows[-1].order
            if len(found) > query.limit or (until is not None and after <= until):
                return found, True
