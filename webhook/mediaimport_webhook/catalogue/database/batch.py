"""Reads of single assets, many by one SELECT: PostgreSQL and SQLAlchemy take as long for one row as for thirty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiodataloader import DataLoader
from sqlalchemy import ARRAY, Text, bindparam, collate, column, func, or_, select, true

from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.rows import entry_of_row
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.entry import Entry

_MAX_ROWS = 100


class Wanted(NamedTuple):
    """Asset that is asked for: its id, and its user or None for any."""

    asset_id: str
    user_id: str | None


class BatchedReads:
    """Finds the assets that requests ask for in one turn of the event loop by one SELECT. PostgreSQL alone has it.

    Each request's SELECT begins after the request came, so an answer is as fresh as one of its own.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._loader = DataLoader[Wanted, Any](self._read, max_batch_size=_MAX_ROWS, cache=False)

    async def find(self, wanted: Wanted) -> Entry | None:
        """Return the asset; one that is ready before others, then the oldest. DatabaseUnavailableError."""
        found: Entry | None = await self._loader.load(wanted)
        return found

    async def _read(self, wanted: list[Wanted]) -> list[Entry | None]:
        values = {"asset_ids": [each.asset_id for each in wanted], "owners": [each.user_id for each in wanted]}

        async def work(connection: AsyncConnection) -> dict[int, Entry]:
            result = await connection.execute(_STATEMENT, values)
            rows = [dict(each._mapping) for each in result]  # noqa: SLF001 - SQLAlchemy's public name
            return {each["number"]: entry_of_row(each) for each in rows}

        found = await answered(self._engine, work)
        return [found.get(number) for number in range(1, len(wanted) + 1)]


def _statement() -> Select[Any]:
    """Return the SELECT of one row at most for each number of the two arrays."""
    arrays = (bindparam(name, type_=ARRAY(Text)) for name in ("asset_ids", "owners"))
    asked = (
        func.unnest(*arrays)
        .table_valued(column("asset_id", Text), column("owner", Text), with_ordinality="number", name="asked")
        .render_derived()
    )
    columns = MEDIA_ASSETS.c
    ids = (collate(asked.c.asset_id, "C"), collate(func.upper(asked.c.asset_id), "C"))
    is_of_owner = or_(asked.c.owner.is_(None), columns.user_id == collate(asked.c.owner, "C"))
    found = (
        select(MEDIA_ASSETS)
        .where(columns.id.in_(ids), is_of_owner)
        .order_by((columns.status == "ready").desc(), columns.created_at, columns.id, columns.resource_name)
        .limit(1)
        .lateral("found")
    )
    return select(asked.c.number, found).select_from(asked.join(found, true()))


_STATEMENT = _statement()
