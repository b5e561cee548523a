"""Archive: the assets that the database of the catalogue knows, for reads. Without a database it is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.query import Place, Query
    from mediaimport_webhook.catalogue.totals import Duplicates, Total


class DatabaseUnavailableError(Exception):
    """The catalogue's database does not answer, or refuses. The message has no user's data."""


class Archive(Protocol):
    """Reads of assets; each raises DatabaseUnavailableError."""

    async def find(self, asset_id: str, *, user_id: str | None) -> Entry | None:
        """Return the asset, of that user or for None of any; one that is ready before others, then the oldest."""

    async def page(self, query: Query, *, user_id: str | None, limit: int, after: Place | None) -> list[Entry]:
        """Return at most `limit` assets that match and come after that place, in the query's order."""

    async def edit(self, entry: Entry) -> None:
        """Take over name, tags and metadata of an entry into its row, unless the row has a later edit."""

    async def totals(self, user_id: str | None) -> list[Total]:
        """Return the totals of that user's assets, or of all for None, as the database has them by now."""

    async def duplicates(self, user_id: str | None) -> Duplicates:
        """Return the duplicates among that user's assets, or among all for None, as the database has them by now."""

    async def remove(self, entry: Entry) -> None:
        """Remove the row of an asset that has no resource and no stored objects."""
