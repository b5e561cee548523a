"""Recordable parts of an import: what its row shows, and a change of progress leaves as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.pending import key_of
from mediaimport_webhook.catalogue.database.schema import KEY_COLUMNS, MEDIA_ASSETS, are_rows

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.entry import Entry

_COLUMNS = MEDIA_ASSETS.c
_SHOWN = (
    *(_COLUMNS[name] for name in ("resource_uid", "status", "reason", "completed_at", "s3_key", "broken")),
    *(_COLUMNS[name] for name in ("overlay_revision", "resource_version")),
)


def recordable_of(entry: Entry) -> Hashable:
    """Return what a row shows of an entry, and a change of progress leaves as it is."""
    asset = entry.json
    edit = entry.overlay_revision
    run = entry.status, asset["reason"], entry.completed_at
    return entry.resource_uid, run, entry.original_key, entry.deleted, asset["broken"], edit


def is_marked(entry: Entry) -> bool:
    """Return whether an import has ended, and its resource has the mark of that run; a deleted asset has none."""
    is_ended = entry.status != "uploading" and entry.completed_at is not None and not entry.deleted
    return is_ended and entry.recorded_run == entry.completed_at


async def same_rows(engine: AsyncEngine, entries: Sequence[Entry]) -> list[Entry]:
    """Return the ended imports whose rows are as the recorder would write them; DatabaseUnavailableError."""
    if not entries:
        return []
    wanted = are_rows(map(key_of, entries))
    statement = select(*KEY_COLUMNS, *_SHOWN).where(wanted, _COLUMNS.resource_gone.is_(False))

    async def work(connection: AsyncConnection) -> list[Row[Any]]:
        return list((await connection.execute(statement)).all())

    found = await answered(engine.execution_options(isolation_level="AUTOCOMMIT"), work)
    rows = {(each.user_id, each.id, each.resource_name): each for each in found}
    return [each for each in entries if key_of(each) in rows and _is_same(rows[key_of(each)], each)]


def _is_same(row: Row[Any], entry: Entry) -> bool:
    run = row.status, row.reason, _text(row.completed_at)
    shown = row.resource_uid, run, row.s3_key, False, row.broken, row.overlay_revision
    return shown == recordable_of(entry) and row.resource_version <= entry.version


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
