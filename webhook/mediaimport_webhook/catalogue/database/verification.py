"""Verification: compares all records in the store with the rows, both ways."""

from __future__ import annotations

import hashlib
import logging
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import AssetKeys
from sqlalchemy import and_, select, tuple_

from mediaimport_webhook.catalogue.database.comparison import differing
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.pending import key_of
from mediaimport_webhook.catalogue.database.rows import row_of
from mediaimport_webhook.catalogue.database.schema import KEY, KEY_COLUMNS, MEDIA_ASSETS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.database.pending import Key
    from mediaimport_webhook.catalogue.database.walk import Walk
    from mediaimport_webhook.catalogue.entry import Entry

log = logging.getLogger(__name__)
_COLUMNS = MEDIA_ASSETS.c
_PAGE = 1000
_MAX_SUSPECTS = 10_000


class Difference(StrEnum):
    """Kind of a difference."""

    NO_ROW = "no row"
    OTHER_VALUES = "other values"
    NO_RECORD = "no record"
    WRONG_RECORD = "wrong record"


@dataclass
class Verified:
    """Numbers of what was compared, and of each kind of difference."""

    records: int = 0
    rows: int = 0
    differences: Counter[Difference] = field(default_factory=Counter)

    @property
    def is_equal(self) -> bool:
        """Return whether rows and records are the same, and each record can be read."""
        return not self.differences.total()


class Verification:
    """Compares. What differs is looked at once more at the end, and reported if it still does.

    So an import that ends meanwhile is no difference. Of more than `max_suspects` the rest has no second look.
    """

    def __init__(self, walk: Walk, engine: AsyncEngine, *, max_suspects: int = _MAX_SUSPECTS) -> None:
        self._walk = walk
        self._engine = engine
        self._max_suspects = max_suspects
        self._suspects: dict[AssetKeys, None] = {}
        self._done = Verified()

    async def run(self) -> Verified:
        """Compare all; StoreUnavailableError, DatabaseUnavailableError."""
        seen = await self._compare_records()
        await self._compare_rows(seen)
        for keys in self._suspects:
            await self._look_again(keys)
        return self._done

    async def _compare_records(self) -> _Seen:
        seen = _Seen()
        async for batch in self._walk.batches():
            rows = await self._rows_of(batch.entries)
            for each in batch.entries:
                keys = AssetKeys(each.user_id, each.asset_id)
                seen.add(keys)
                if (kind := _difference(rows.get(key_of(each)), each)) is not None:
                    self._suspect(keys, kind)
            for keys in batch.wrong:
                seen.add(keys)
            self._done.records += len(batch.entries)
            self._done.differences[Difference.WRONG_RECORD] += len(batch.wrong)
        seen.sort()
        return seen

    async def _compare_rows(self, seen: _Seen) -> None:
        async for row in self._ready_rows():
            self._done.rows += 1
            keys = AssetKeys(row["user_id"], row["id"])
            if keys not in seen:
                self._suspect(keys, Difference.NO_RECORD)

    def _suspect(self, keys: AssetKeys, kind: Difference) -> None:
        if len(self._suspects) < self._max_suspects:
            self._suspects[keys] = None
        else:
            self._done.differences[kind] += 1

    async def _look_again(self, keys: AssetKeys) -> None:
        entry = await self._walk.entry(keys)
        of_asset = and_(_COLUMNS.user_id == keys.user_id, _COLUMNS.id == keys.asset_id)
        rows = await self._rows(select(MEDIA_ASSETS).where(of_asset))
        if entry is None:
            kind, columns = Difference.NO_RECORD if any(each["status"] == "ready" for each in rows) else None, []
        else:
            row = next((each for each in rows if each["resource_name"] == entry.resource_name), None)
            kind, columns = _difference(row, entry), [] if row is None else differing(row, row_of(entry))
        if kind is not None:
            self._done.differences[kind] += 1
            log.error("row and record differ", extra={"key": keys.sidecar, "kind": kind, "columns": columns})

    async def _rows_of(self, entries: Sequence[Entry]) -> dict[Key, Mapping[str, Any]]:
        wanted = tuple_(*KEY_COLUMNS).in_([key_of(each) for each in entries])
        rows = await self._rows(select(MEDIA_ASSETS).where(wanted))
        return {(each["user_id"], each["id"], each["resource_name"]): each for each in rows}

    async def _ready_rows(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the keys of all rows that say that something is stored, a page at a time."""
        after: Sequence[Any] = ("", "", "")
        while True:
            is_later = tuple_(*KEY_COLUMNS) > tuple_(*after)
            page = select(*KEY_COLUMNS).where(is_later, _COLUMNS.status == "ready").order_by(*KEY_COLUMNS)
            rows = await self._rows(page.limit(_PAGE))
            for each in rows:
                yield each
            if len(rows) < _PAGE:
                return
            after = [rows[-1][name] for name in KEY]

    async def _rows(self, statement: Select[Any]) -> list[Mapping[str, Any]]:
        async def work(connection: AsyncConnection) -> list[Mapping[str, Any]]:
            return [dict(each) for each in (await connection.execute(statement)).mappings()]

        return await answered(self._engine, work)


def _difference(row: Mapping[str, Any] | None, entry: Entry) -> Difference | None:
    if row is None:
        return Difference.NO_ROW
    return Difference.OTHER_VALUES if differing(row, row_of(entry)) else None


class _Seen:
    """The assets of a walk, eight bytes of a digest for each: of a million they take 8 MB."""

    def __init__(self) -> None:
        self._digests = array("Q")

    def add(self, keys: AssetKeys) -> None:
        self._digests.append(_digest(keys))

    def sort(self) -> None:
        self._digests = array("Q", sorted(self._digests))

    def __contains__(self, keys: AssetKeys) -> bool:
        digest = _digest(keys)
        place = bisect_left(self._digests, digest)
        return place < len(self._digests) and self._digests[place] == digest


def _digest(keys: AssetKeys) -> int:
    return int.from_bytes(hashlib.blake2b(keys.prefix.encode(), digest_size=8).digest())
