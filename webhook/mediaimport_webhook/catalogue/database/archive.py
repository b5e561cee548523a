"""Reads of the catalogue's database."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, TSQUERY

from mediaimport_webhook.catalogue.database.batch import BatchedReads, Wanted
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.rows import DELETED, EDITABLE, entry_of_row, row_of
from mediaimport_webhook.catalogue.database.schema import (
    KEY,
    MEDIA_ASSETS,
    OWNER_LENGTH,
    OWNER_MARK,
    WORDS_VECTOR,
    is_row,
)
from mediaimport_webhook.catalogue.totals import Duplicates, Total

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.query import Place, Query

_COLUMNS = MEDIA_ASSETS.c
_ORDER = (_COLUMNS.created_at, _COLUMNS.id, _COLUMNS.resource_name)
_OF_ANY = (
    select(MEDIA_ASSETS)
    .where(_COLUMNS.id.in_((bindparam("asset_id"), bindparam("upper_id"))))
    .order_by((_COLUMNS.status == "ready").desc(), *_ORDER)
    .limit(1)
)
_OF_USER = _OF_ANY.where(_COLUMNS.user_id == bindparam("owner"))
"""One asset. A statement takes longer to make than to send, so these are made once."""
_EDITED = {name: bindparam(f"edited_{name}", type_=_COLUMNS[name].type) for name in (*KEY, *EDITABLE)}
_EDIT = (
    update(MEDIA_ASSETS)
    .where(
        is_row(user_id=_EDITED["user_id"], asset_id=_EDITED["id"], resource_name=_EDITED["resource_name"]),
        # A deleted asset has no edits.
        and_(_COLUMNS.overlay_revision < _EDITED["overlay_revision"], _COLUMNS.status != DELETED),
    )
    .values({name: _EDITED[name] for name in EDITABLE})
)
_SIZE_ORDER = (_COLUMNS.size_bytes, *_ORDER)
_FEW_ROWS = 3000
"""Rows of a user whose words are read one by one in 30 ms; the index reads all users' words of a short beginning."""


class DatabaseArchive:
    """The archive in PostgreSQL or SQLite. A search of a user with more than `few_rows` uses the index of words."""

    def __init__(self, engine: AsyncEngine, *, few_rows: int = _FEW_ROWS) -> None:
        self._engine = engine
        self._few_rows = few_rows
        # One SELECT needs no transaction, whose two commands cost as much as itself.
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def find(self, asset_id: str, *, user_id: str | None, without: Collection[str] = ()) -> Entry | None:
        """Return the asset, of that user or for None of any; one that is ready before others, then the oldest.

        `without`: names of resources whose rows are left out.
        """
        if self._engine.dialect.name == "postgresql" and not without:
            return await self._batched.find(Wanted(asset_id, user_id))
        values = {"asset_id": asset_id, "upper_id": asset_id.upper(), "owner": user_id}
        statement = _OF_ANY if user_id is None else _OF_USER
        if without:
            statement = statement.where(_COLUMNS.resource_name.not_in(without))
        found = await self._entries(statement, values)
        return found[0] if found else None

    @cached_property
    def _batched(self) -> BatchedReads:
        return BatchedReads(self._reads)

    async def page(self, query: Query, *, user_id: str | None, limit: int, after: Place | None) -> list[Entry]:
        """Return at most `limit` assets that match and come after that place, in the query's order."""
        few = bool(query.words) and await self._has_few_rows(user_id)
        return await self._entries(self.statement(query, user_id=user_id, limit=limit, after=after, few=few))

    def statement(
        self, query: Query, *, user_id: str | None, limit: int, after: Place | None, few: bool = False
    ) -> Select[Any]:
        """Return the SELECT of a page; of a user with `few` rows, whose words are read without their index."""
        conditions = [_COLUMNS.status != DELETED, *self._filters(query)]
        if query.words:
            conditions.append(_has_words(query.words) if few else self._has_indexed_words(query.words, user_id))
        if user_id is not None:
            conditions.append(_COLUMNS.user_id == user_id)
        columns = _SIZE_ORDER if query.sort.by_size else _ORDER
        if after is not None:
            place, here = _place(after), tuple_(*columns)
            conditions.append(here < place if query.sort.descending else here > place)
        order = (each.desc() if query.sort.descending else each.asc() for each in columns)
        return select(MEDIA_ASSETS).where(*conditions).order_by(*order).limit(limit)

    async def _has_few_rows(self, user_id: str | None) -> bool:
        """Tell whether an index of words, if there is one, is of no use."""
        if user_id is None or self._engine.dialect.name != "postgresql":
            return False
        first = _of_user(select(_COLUMNS.user_id), user_id).limit(self._few_rows + 1).subquery()

        async def work(connection: AsyncConnection) -> bool:
            found = await connection.execute(select(func.count()).select_from(first))
            return int(found.scalar_one()) <= self._few_rows

        return await answered(self._reads, work)

    async def edit(self, *entries: Entry) -> None:
        """Take over name, tags and metadata of entries into their rows; not where the row has a later edit."""
        edits = [_edit(each) for each in entries]

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(_EDIT, edits)

        await answered(self._engine, work)

    async def totals(self, user_id: str | None) -> list[Total]:
        """Return the totals of that user's assets, or of all for None."""
        kind = (self._month(), _COLUMNS.status, _COLUMNS.file_type)
        statement = select(*kind, func.count(), func.sum(_COLUMNS.size_bytes)).where(_COLUMNS.status != DELETED)
        statement = _of_user(statement, user_id).group_by(*kind)

        async def work(connection: AsyncConnection) -> list[Total]:
            rows = await connection.execute(statement)
            return [Total(month, status, type_, count, int(size)) for month, status, type_, count, size in rows]

        return await answered(self._reads, work)

    async def duplicates(self, user_id: str | None) -> Duplicates:
        """Return the duplicates among that user's assets, or among all for None."""
        surplus = (func.count() - 1).label("surplus")
        stored = select(surplus, _COLUMNS.size_bytes).where(_COLUMNS.status == "ready", _COLUMNS.sha256.is_not(None))
        copies = _of_user(stored, user_id).group_by(_COLUMNS.sha256, _COLUMNS.size_bytes).having(func.count() > 1)
        found = copies.subquery().c
        statement = select(func.sum(found.surplus), func.sum(found.surplus * found.size_bytes))

        async def work(connection: AsyncConnection) -> Duplicates:
            count, size_bytes = (await connection.execute(statement)).one()
            return Duplicates(int(count or 0), int(size_bytes or 0))

        return await answered(self._reads, work)

    def _month(self) -> ColumnElement[str]:
        if self._engine.dialect.name == "postgresql":
            return func.to_char(func.timezone("UTC", _COLUMNS.created_at), literal_column("'YYYY-MM'"))
        return func.strftime(literal_column("'%Y-%m'"), _COLUMNS.created_at)

    async def remove(self, entry: Entry) -> None:
        """Remove the row of an asset that has no resource and no stored objects."""
        statement = delete(MEDIA_ASSETS).where(
            is_row(user_id=entry.user_id, asset_id=entry.asset_id, resource_name=entry.resource_name),
            _COLUMNS.resource_version <= entry.version,
        )

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(statement)

        await answered(self._engine, work)

    def _filters(self, query: Query) -> list[ColumnElement[bool]]:
        """Return the conditions; values are parameters, and no text that PostgreSQL cannot hold matches anything."""
        columns = {
            _COLUMNS.status: query.status,
            _COLUMNS.file_type: query.type,
            _COLUMNS.provider: query.provider,
            _COLUMNS.model: query.model,
            _COLUMNS.sha256: query.sha256,
        }
        conditions = [column == _parameter(text) for column, text in columns.items() if text is not None]
        if query.created_after is not None:
            conditions.append(_COLUMNS.created_at >= datetime.fromisoformat(query.created_after))
        if query.created_before is not None:
            conditions.append(_COLUMNS.created_at < datetime.fromisoformat(query.created_before))
        if query.ids:
            conditions.append(_COLUMNS.id.in_(sorted({*query.ids, *(each.upper() for each in query.ids)})))
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

    def _has_indexed_words(self, words: tuple[str, ...], user_id: str | None) -> ColumnElement[bool]:
        """Return the same as `_has_words`, by the index of words where there is one."""
        if self._engine.dialect.name != "postgresql":
            return _has_words(words)
        owner = [] if user_id is None else [_lexeme(OWNER_MARK + _parameter(user_id)[:OWNER_LENGTH])]
        text = " & ".join([*owner, *(f"'{each}':*" for each in map(_parameter, words))])
        return WORDS_VECTOR.bool_op("@@")(cast(text, TSQUERY))

    async def _entries(self, statement: Select[Any], values: Mapping[str, Any] | None = None) -> list[Entry]:
        async def work(connection: AsyncConnection) -> list[Entry]:
            result = await connection.execute(statement, values)
            return [entry_of_row(dict(each._mapping)) for each in result]  # noqa: SLF001 - SQLAlchemy's public name

        return await answered(self._reads, work)


def _edit(entry: Entry) -> dict[str, Any]:
    """Return the parameters of an edit."""
    values = row_of(entry)
    return {f"edited_{name}": values[name] for name in (*KEY, *EDITABLE)}


def _has_words(words: tuple[str, ...]) -> ColumnElement[bool]:
    """Return whether each of the words is a word's beginning. They have no character that needs an escape."""
    spaced = " " + _COLUMNS.search_words
    return and_(*(spaced.like(f"% {_parameter(each)}%") for each in words))


def _of_user(statement: Select[Any], user_id: str | None) -> Select[Any]:
    return statement if user_id is None else statement.where(_COLUMNS.user_id == _parameter(user_id))


def _lexeme(text: str) -> str:
    """Return a text as it is in a tsquery."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _parameter(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _place(after: Place) -> tuple[Any, ...]:
    *size, created_at, asset_id, name = after
    return *size, datetime.fromisoformat(str(created_at)), _parameter(str(asset_id)), _parameter(str(name))
