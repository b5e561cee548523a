"""Verification: compares all records in the store with the rows, both ways."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import AssetKeys
from sqlalchemy import and_, select, tuple_

from mediaimport_webhook.catalogue.database.compared import Difference, SelectedRows, difference, digest_of
from mediaimport_webhook.catalogue.database.comparison import differing
from mediaimport_webhook.catalogue.database.rows import row_of
from mediaimport_webhook.catalogue.database.schema import KEY, KEY_COLUMNS, MEDIA_ASSETS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine

    from mediaimport_webhook.catalogue.database.compared import Compared
    from mediaimport_webhook.catalogue.database.walk import Walk

log = logging.getLogger(__name__)
_COLUMNS = MEDIA_ASSETS.c
_PAGE = 1000
_MAX_SUSPECTS = 10_000


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
        self._rows = SelectedRows(engine)
        self._max_suspects = max_suspects
        self._suspects: dict[AssetKeys, None] = {}
        self._done = Verified()

    async def run(self, compared: AsyncIterator[Compared]) -> Verified:
        """Compare all, of which the records are compared; StoreUnavailableError, DatabaseUnavailableError."""
        seen = await self._take_over(compared)
        await self._compare_rows(seen)
        for keys in self._suspects:
            await self._look_again(keys)
        return self._done

    async def _take_over(self, compared: AsyncIterator[Compared]) -> _Seen:
        seen = _Seen()
        async for each in compared:
            seen.add(each.digests)
            for keys, kind in each.suspects:
                self._suspect(keys, kind)
            self._done.records += each.records
            self._done.differences[Difference.WRONG_RECORD] += each.wrong
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
        rows = await self._rows.of(select(MEDIA_ASSETS).where(of_asset))
        if entry is None:
            kind, columns = Difference.NO_RECORD if any(each["status"] == "ready" for each in rows) else None, []
        else:
            row = next((each for each in rows if each["resource_name"] == entry.resource_name), None)
            kind, columns = difference(row, entry), [] if row is None else differing(row, row_of(entry))
        if kind is not None:
            self._done.differences[kind] += 1
            log.error("row and record differ", extra={"key": keys.sidecar, "kind": kind, "columns": columns})

    async def _ready_rows(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the keys of all rows that say that something is stored, a page at a time."""
        after: Sequence[Any] = ("", "", "")
        while True:
            is_later = tuple_(*KEY_COLUMNS) > tuple_(*after)
            page = select(*KEY_COLUMNS).where(is_later, _COLUMNS.status == "ready").order_by(*KEY_COLUMNS)
            rows = await self._rows.of(page.limit(_PAGE))
            for each in rows:
                yield each
            if len(rows) < _PAGE:
                return
            after = [rows[-1][name] for name in KEY]


class _Seen:
    """The assets of a walk, eight bytes of a digest for each: of a million they take 8 MB."""

    def __init__(self) -> None:
        self._digests = array("Q")

    def add(self, digests: array[int]) -> None:
        self._digests.extend(digests)

    def sort(self) -> None:
        self._digests = array("Q", sorted(self._digests))

    def __contains__(self, keys: AssetKeys) -> bool:
        digest = digest_of(keys)
        place = bisect_left(self._digests, digest)
        return place < len(self._digests) and self._digests[place] == digest
