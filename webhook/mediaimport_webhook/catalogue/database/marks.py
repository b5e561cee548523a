"""Marks of recorded imports: an annotation tells the operator that the row of an ended import is written.

The annotation's value is the `completedAt` of the run in the row. Who has no mark in the cluster's list gets one, so
nothing is lost with a webhook that ends, and two replicas write the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import ANNOTATION_RECORDED
from mediaimport_runtime.kubernetes.errors import KubernetesError, RefusedError
from sqlalchemy import select

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.pending import key_of
from mediaimport_webhook.catalogue.database.rows import DELETED, row_of
from mediaimport_webhook.catalogue.database.schema import KEY_COLUMNS, MEDIA_ASSETS, are_rows

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.database.pending import Key
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.cluster import Cluster

log = logging.getLogger(__name__)
_COLUMNS = MEDIA_ASSETS.c
_BATCH = 100
_PERIOD_S = 1.0
_MAX_PERIOD_S = 60.0
_GAP_S = 0.02
"""Between two requests: at most 50 a second of a replica."""


class RecordedMarks:
    """Marks ended imports once the database has their rows."""

    def __init__(self, engine: AsyncEngine, cluster: Cluster, *, period_s: float = _PERIOD_S) -> None:
        self._engine = engine
        self._cluster = cluster
        self._period_s = period_s
        self._waiting: dict[str, Entry] = {}
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Return the number of ended imports without a mark."""
        return len(self._waiting)

    def oldest_s(self, now: datetime) -> float:
        """Return the seconds since the first end that has no mark; 0 without one."""
        ends = [each.completed_at for each in self._waiting.values() if each.completed_at is not None]
        return (now - datetime.fromisoformat(min(ends))).total_seconds() if ends else 0.0

    def note(self, entry: Entry) -> None:
        """Take over a new version of a resource."""
        self._waiting.pop(entry.resource_name, None)
        if entry.completed_at is not None and entry.recorded_run != entry.completed_at:
            self._waiting[entry.resource_name] = entry
            self._changed.set()

    def note_gone(self, entry: Entry) -> None:
        """Take over that a resource is gone."""
        self._waiting.pop(entry.resource_name, None)

    async def run(self) -> None:
        """Mark for ever. While nothing can be marked, look less often."""
        period_s = self._period_s
        while True:
            await self._changed.wait()
            try:
                progressed = await self.mark()
            except (DatabaseUnavailableError, KubernetesError) as error:
                log.warning("imports cannot be marked as recorded", extra={"error": str(error)})
                progressed = False
            period_s = self._period_s if progressed else min(period_s * 2, _MAX_PERIOD_S)
            await asyncio.sleep(period_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def mark(self) -> bool:
        """Mark what is recorded of the first that wait; return whether any was. The rest goes to the end of the queue.

        DatabaseUnavailableError, KubernetesError.
        """
        batch = list(islice(self._waiting.values(), _BATCH))
        rows = await self._rows(batch) if batch else {}
        progressed = False
        for entry in batch:
            if self._waiting.get(entry.resource_name) is not entry:
                continue
            if not _is_recorded(entry, rows.get(key_of(entry))) or not await self._patched(entry):
                if self._waiting.get(entry.resource_name) is entry:
                    self._waiting[entry.resource_name] = self._waiting.pop(entry.resource_name)
                continue
            if self._waiting.get(entry.resource_name) is entry:
                del self._waiting[entry.resource_name]
            progressed = True
            await asyncio.sleep(_GAP_S)
        if not self._waiting:
            self._changed.clear()
        return progressed

    async def _patched(self, entry: Entry) -> bool:
        """Write the annotation, and return whether the API server took it. One that it refuses holds up no other."""
        patch = {"metadata": {"annotations": {ANNOTATION_RECORDED: entry.completed_at}}}
        try:
            await self._cluster.patch_import(entry.resource_name, patch)
        except RefusedError as error:
            extra = {"import": entry.resource_name, "error": str(error)}
            log.warning("the API server refuses to mark the import as recorded", extra=extra)
            return False
        return True

    async def _rows(self, entries: list[Entry]) -> dict[Key, Row[Any]]:
        columns = (*KEY_COLUMNS, _COLUMNS.status, _COLUMNS.resource_uid, _COLUMNS.completed_at)
        wanted = are_rows(map(key_of, entries))

        async def work(connection: AsyncConnection) -> list[Row[Any]]:
            return list((await connection.execute(select(*columns).where(wanted))).all())

        found = await answered(self._engine.execution_options(isolation_level="AUTOCOMMIT"), work)
        return {(each.user_id, each.id, each.resource_name): each for each in found}


def _is_recorded(entry: Entry, row: Row[Any] | None) -> bool:
    """Return whether the row is that of this resource after this run; a deleted asset's has no time of its end."""
    if row is None or row.resource_uid != entry.resource_uid:
        return False
    return bool(row.status == DELETED or row.completed_at == row_of(entry)["completed_at"])
