"""Records of some assets, compared with their rows: the part of a verification that a process does by itself."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import AssetKeys
from sqlalchemy import select

from mediaimport_webhook.catalogue.database.comparison import differing
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.pending import key_of
from mediaimport_webhook.catalogue.database.rows import row_of
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS, are_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.database.pending import Key
    from mediaimport_webhook.catalogue.database.walk import Batch, Walk
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.store.listing import ListedAsset


class Difference(StrEnum):
    """Kind of a difference."""

    NO_ROW = "no row"
    OTHER_VALUES = "other values"
    NO_RECORD = "no record"
    WRONG_RECORD = "wrong record"


@dataclass
class Compared:
    """Numbers of assets that were compared, their digests, and those that differ."""

    records: int = 0
    wrong: int = 0
    digests: array[int] = field(default_factory=lambda: array("Q"))
    suspects: list[tuple[AssetKeys, Difference]] = field(default_factory=list)


class SelectedRows:
    """Reads rows as they are."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, statement: Select[Any]) -> list[Mapping[str, Any]]:
        """Return the rows of a SELECT; DatabaseUnavailableError."""

        async def work(connection: AsyncConnection) -> list[Mapping[str, Any]]:
            return [dict(each) for each in (await connection.execute(statement)).mappings()]

        return await answered(self._engine, work)


class RecordComparison:
    """Compares each record with its row."""

    def __init__(self, walk: Walk, engine: AsyncEngine) -> None:
        self._walk = walk
        self._rows = SelectedRows(engine)

    async def of(self, assets: list[ListedAsset]) -> Compared:
        """Compare the records of these assets; StoreUnavailableError, DatabaseUnavailableError."""
        done = Compared()
        async for batch in self._walk.batches(assets):
            await self._compare(batch, done)
        return done

    async def _compare(self, batch: Batch, done: Compared) -> None:
        rows = await self._rows_of(batch.entries)
        for each in batch.entries:
            keys = AssetKeys(each.user_id, each.asset_id)
            done.digests.append(digest_of(keys))
            if (kind := difference(rows.get(key_of(each)), each)) is not None:
                done.suspects.append((keys, kind))
        done.digests.extend(map(digest_of, batch.wrong))
        done.records += len(batch.entries)
        done.wrong += len(batch.wrong)

    async def _rows_of(self, entries: Sequence[Entry]) -> dict[Key, Mapping[str, Any]]:
        wanted = are_rows(map(key_of, entries))
        rows = await self._rows.of(select(MEDIA_ASSETS).where(wanted))
        return {(each["user_id"], each["id"], each["resource_name"]): each for each in rows}


def difference(row: Mapping[str, Any] | None, entry: Entry) -> Difference | None:
    """Return how a row differs from its record; None if it does not."""
    if row is None:
        return Difference.NO_ROW
    return Difference.OTHER_VALUES if differing(row, row_of(entry)) else None


def digest_of(keys: AssetKeys) -> int:
    """Return eight bytes that stand for an asset."""
    return int.from_bytes(hashlib.blake2b(keys.prefix.encode(), digest_size=8).digest())
