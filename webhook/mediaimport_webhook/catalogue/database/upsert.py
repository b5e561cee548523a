"""Upsert of rows: each changes only for a later version of its resource, whoever writes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, bindparam, case, cast, column, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from mediaimport_webhook.catalogue.database.rows import DELETED, EDITABLE
from mediaimport_webhook.catalogue.database.schema import KEY, MEDIA_ASSETS
from mediaimport_webhook.http.bodies import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = MEDIA_ASSETS.c
_NAMES = [each.name for each in MEDIA_ASSETS.columns]


async def upsert(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with values of all columns, no two with one key.

    PostgreSQL gets all of them as one parameter of one statement: a statement each takes it five times as long, and the
    writer three times.
    """
    # Writers that lock rows in the same order do not wait for each other in a circle.
    ordered = sorted(rows, key=lambda each: [each[name] for name in KEY])
    if connection.dialect.name == "postgresql":
        await connection.execute(_TOGETHER, {"rows": encoded(ordered).decode()})
    else:
        await connection.execute(_EACH, ordered)


def _guarded(statement: Any) -> Any:  # noqa: ANN401 - one type for each dialect
    """Return the INSERT with what becomes of a row that is there."""
    new = statement.excluded
    is_newer = _COLUMNS.resource_version < new.resource_version
    is_end = and_(_COLUMNS.resource_version == new.resource_version, new.resource_gone)
    is_later = and_(_COLUMNS.resource_uid == new.resource_uid, or_(is_newer, is_end))
    # Versions of two resources of one name cannot be compared: the second may be of another cluster.
    is_successor = and_(_COLUMNS.resource_uid != new.resource_uid, _COLUMNS.created_at <= new.created_at)
    return statement.on_conflict_do_update(
        index_elements=list(KEY),
        set_=_replaced(new),
        where=or_(is_later, is_successor),
    )


def _replaced(new: Any) -> dict[str, Any]:  # noqa: ANN401 - the dialect's `excluded`
    """Return the new values. An edit that the row has and the new version does not know of stays until a deletion."""
    columns = [each for each in _NAMES if each not in KEY]
    is_older = and_(_COLUMNS.overlay_revision > new.overlay_revision, new.status != DELETED)
    return {
        name: case((is_older, _COLUMNS[name]), else_=new[name]) if name in EDITABLE else new[name] for name in columns
    }


def _together() -> Any:  # noqa: ANN401 - PostgreSQL's INSERT
    values = func.jsonb_to_recordset(cast(bindparam("rows", type_=Text), postgresql.JSONB))
    columns = (column(each.name, each.type) for each in MEDIA_ASSETS.columns)
    rows = values.table_valued(*columns, name="row").render_derived(with_types=True)
    return postgresql.insert(MEDIA_ASSETS).from_select(_NAMES, select(*(rows.c[name] for name in _NAMES)))


_TOGETHER = _guarded(_together())
_EACH = _guarded(sqlite.insert(MEDIA_ASSETS))
