"""Reads of the catalogue's database."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, delete, func, or_, select, tuple_, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.rows import DELETED, entry_of_row
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Order
    from mediaimport_webhook.catalogue.query import Query

_TIMEOUT_S = 10
_COLUMNS = MEDIA_ASSETS.c
_ORDER = (_COLUMNS.created_at, _COLUMNS.id, _COLUMNS.resource_name)


class DatabaseArchive:
    """The archive in PostgreSQL or SQLite."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, asset_id: str, *, user_id: str | None) -> Entry | None:
        """Return the asset, of that user or for None of any; one that is ready before others, then the oldest."""
        statement = select(MEDIA_ASSETS).where(_COLUMNS.id.in_((asset_id, asset_id.upper())))
        if user_id is not None:
            statement = statement.where(_COLUMNS.user_id == user_id)
        found = await self._entries(statement.order_by((_COLUMNS.status == "ready").desc(), *_ORDER).limit(1))
        return found[0] if found else None

    async def newest(self, query: Query, *, user_id: str | None, limit: int, after: Order | None) -> list[Entry]:
        """Return at most `limit` assets that match and come after that place, newest first."""
        conditions = [_COLUMNS.status != DELETED, *self._filters(query)]
        if user_id is not None:
            conditions.append(_COLUMNS.user_id == user_id)
        if after is not None:
            place = _place(after)
            if place is None:
                return []
            conditions.append(tuple_(*_ORDER) < place)
        return await self._entries(
            select(MEDIA_ASSETS).where(*conditions).order_by(*(each.desc() for each in _ORDER)).limit(limit)
        )

    async def remove(self, entry: Entry) -> None:
        """Remove the row of an asset that has no resource and no stored objects."""
        statement = delete(MEDIA_ASSETS).where(
            _COLUMNS.user_id == entry.user_id,
            _COLUMNS.id == entry.asset_id,
            _COLUMNS.resource_name == entry.resource_name,
            _COLUMNS.resource_version <= entry.version,
        )
        async with answering(self._engine) as connection:
            await connection.execute(statement)

    def _filters(self, query: Query) -> list[ColumnElement[bool]]:
        """Return the conditions; values are parameters, and no text that PostgreSQL cannot hold matches anything."""
        columns = {_COLUMNS.status: query.status, _COLUMNS.file_type: query.type}
        conditions: list[ColumnElement[bool]] = [column == text for column, text in columns.items() if text is not None]
        if query.job_id is not None:
            job_id = _parameter(query.job_id)
            conditions.append(or_(_COLUMNS.job_id == job_id, _COLUMNS.resource_name == job_id))
        if query.tag is not None:
            conditions.append(self._has_tag(_parameter(query.tag)))
        return conditions

    def _has_tag(self, tag: str) -> ColumnElement[bool]:
        if self._engine.dialect.name == "postgresql":
            return type_coerce(_COLUMNS.tags, JSONB).contains([tag])
        each = func.json_each(_COLUMNS.tags).table_valued("value")
        return select(each.c.value).where(type_coerce(each.c.value, Text) == tag).exists()

    async def _entries(self, statement: Select[Any]) -> list[Entry]:
        async with answering(self._engine) as connection:
            result = await connection.execute(statement)
            return [entry_of_row(dict(each._mapping)) for each in result]  # noqa: SLF001 - SQLAlchemy's public name


@asynccontextmanager
async def answering(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a transaction of bounded duration; DatabaseUnavailableError."""
    try:
        async with asyncio.timeout(_TIMEOUT_S), engine.begin() as connection:
            yield connection
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseUnavailableError(type(cause).__name__) from error


def _parameter(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _place(after: Order) -> tuple[datetime, str, str] | None:
    """Return the place of a cursor; None, after which nothing comes, for a time that is none."""
    try:
        created_at = datetime.fromisoformat(after[0])
    except ValueError:
        return None
    if created_at.tzinfo is None:
        return None
    return created_at, _parameter(after[1]), _parameter(after[2])
