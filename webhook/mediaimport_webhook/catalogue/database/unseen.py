"""Ends that no replica saw: of resources that went away while no webhook was running.

A row says whether its resource was seen to go. Of one whose resource is neither in the cluster nor was seen to go, the
store's record tells whether the asset was deleted.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Tombstone
from sqlalchemy import select, tuple_, update

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.rows import DELETED_VALUES
from mediaimport_webhook.catalogue.database.schema import KEY_COLUMNS, MEDIA_ASSETS, WITH_RESOURCE, is_row
from mediaimport_webhook.catalogue.stored import LAST_VERSION
from mediaimport_webhook.store import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row, Update
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.database.pending import Pending
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.store import SidecarReader

log = logging.getLogger(__name__)
_COLUMNS = MEDIA_ASSETS.c
_PAGE = 500
_CONCURRENCY = 4
"""Users read sidecars meanwhile."""
_SWEEP_S = 600.0


class UnseenEnds:
    """Finds them after each start, and again and again. Each row costs one read of the store, once."""

    def __init__(self, engine: AsyncEngine, pending: Pending, sidecars: SidecarReader, *, page: int = _PAGE) -> None:
        self._engine = engine
        self._pending = pending
        self._sidecars = sidecars
        self._page = page
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def keep_swept(self, catalogue: Catalogue, synced: asyncio.Event) -> None:
        """Sweep for ever, at once when a list lacks what was here; what does not answer is left for the next time."""
        while True:
            await synced.wait()
            catalogue.lost.clear()
            try:
                await self.sweep(catalogue)
            except (DatabaseUnavailableError, StoreUnavailableError) as error:
                log.warning("ends of resources cannot be looked for", extra={"error": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(catalogue.lost.wait(), _SWEEP_S)

    async def sweep(self, catalogue: Catalogue) -> int:
        """Take over the ends that nobody saw; return their number. DatabaseUnavailableError, StoreUnavailableError."""
        seen, ended = catalogue.seen_version, 0
        after: Sequence[Any] = ("", "", "")
        while True:
            rows = await self._rows(seen, after)
            lost = [each for each in rows if not catalogue.exists(each.resource_name, asset_id=each.id)]
            await self._take_over(lost)
            ended += len(lost)
            if len(rows) < self._page:
                return ended
            after = (rows[-1].user_id, rows[-1].id, rows[-1].resource_name)

    async def _rows(self, seen: int, after: Sequence[Any]) -> Sequence[Row[Any]]:
        """Return a page of the rows whose resource nobody saw go, and that are no newer than the cache."""
        statement = (
            select(*KEY_COLUMNS, _COLUMNS.resource_version)
            .where(WITH_RESOURCE, _COLUMNS.resource_version <= seen, tuple_(*KEY_COLUMNS) > tuple_(*after))
            .order_by(*KEY_COLUMNS)
            .limit(self._page)
        )

        async def work(connection: AsyncConnection) -> Sequence[Row[Any]]:
            return (await connection.execute(statement)).all()

        async with self._pending.writing:
            return await answered(self._engine, work)

    async def _take_over(self, lost: list[Row[Any]]) -> None:
        answers = await asyncio.gather(*map(self._is_deleted, lost))
        if lost and answers.count(None) == len(lost):
            raise StoreUnavailableError("no record can be read")
        known = [(row, is_deleted) for row, is_deleted in zip(lost, answers, strict=True) if is_deleted is not None]
        statements = [_ended(row, is_deleted=is_deleted) for row, is_deleted in known]

        async def work(connection: AsyncConnection) -> None:
            for each in statements:
                await connection.execute(each)

        async with self._pending.writing:
            await answered(self._engine, work)

    async def _is_deleted(self, row: Row[Any]) -> bool | None:
        """Return whether the store says so; None if it does not say, of this row alone perhaps."""
        async with self._slots:
            try:
                record = await self._sidecars.read(AssetKeys(row.user_id, row.id))
            except StoreUnavailableError:
                return None
        return isinstance(record, Tombstone)


def _ended(row: Row[Any], *, is_deleted: bool) -> Update:
    """Return the statement for a row that is as it was read. Nothing comes after a deletion."""
    deleted = {**DELETED_VALUES, "resource_version": LAST_VERSION} if is_deleted else {}
    as_read = _COLUMNS.resource_version == row.resource_version
    of_row = is_row(user_id=row.user_id, asset_id=row.id, resource_name=row.resource_name)
    return update(MEDIA_ASSETS).where(of_row, as_read).values({"resource_gone": True, **deleted})
