"""Recorder: writes each change of the cache to the catalogue's database.

The cache keeps an import whole until it is recorded: it has ended, its row says so, and its resource has the mark.

Each replica writes all that it sees. A row changes only for a later version of its resource, so the rows are the same
whoever writes first, and a recorder that was killed writes the rest after its next list.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.pending import Change, Pending
from mediaimport_webhook.catalogue.database.recordable import is_marked, recordable_of, same_rows
from mediaimport_webhook.catalogue.database.rows import row_of
from mediaimport_webhook.catalogue.database.schema import KEY_COLUMNS, MEDIA_ASSETS, is_row
from mediaimport_webhook.catalogue.database.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue

log = logging.getLogger(__name__)
_COLUMNS = MEDIA_ASSETS.c
_BATCH = 200
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 30.0
_SWEEP_S = 600.0


class Recorder:
    """Writer of rows. What is not written yet waits in memory, one change for each row."""

    def __init__(self, engine: AsyncEngine, *, sweep_s: float = _SWEEP_S) -> None:
        self._engine = engine
        self._sweep_s = sweep_s
        self.pending = Pending()
        self._noted: dict[str, int] = {}
        """By resource that exists, a hash of what was last noted of it: a change of progress alone is left out."""
        self._refused: set[str] = set()
        """Resources of rows that the database refused."""
        self._changed = asyncio.Event()
        self.on_written: Callable[[str], None] = _ignore
        """Gets the name of each resource whose row was written."""
        self.is_failing = False
        self.written = 0
        """Number of rows that were sent to the database."""
        self.refused = 0
        """Number of rows that the database refused; they are logged and left out."""

    @property
    def unrecorded(self) -> int:
        """Return the number of changes that wait to be written."""
        return len(self.pending)

    def note(self, entry: Entry) -> None:
        """Take over a new version of a resource."""
        recordable = hash(recordable_of(entry))
        if self._noted.get(entry.resource_name) == recordable:
            return
        self._noted[entry.resource_name] = recordable
        self.pending.put(Change(entry, is_gone=False))
        self._changed.set()

    def note_gone(self, entry: Entry) -> None:
        """Take over that a resource is gone: its row stays if the import had ended."""
        self._noted.pop(entry.resource_name, None)
        self._refused.discard(entry.resource_name)
        self.pending.put(Change(entry, is_gone=True))
        self._changed.set()

    def is_recorded(self, entry: Entry) -> bool:
        """Return whether an import has ended, its row says so, and its resource is marked."""
        is_noted = self._noted.get(entry.resource_name) == hash(recordable_of(entry))
        is_refused = entry.resource_name in self._refused
        return is_noted and not is_refused and is_marked(entry) and not self.pending.has(entry)

    async def learn(self, entries: Sequence[Entry]) -> bool:
        """Find out which imports of a list are recorded, many by one SELECT: those are not written once more.

        Return False if the database does not answer: they are then written when it does.
        """
        try:
            known = await same_rows(self._engine, [each for each in entries if is_marked(each)])
        except DatabaseUnavailableError as error:
            log.warning("the catalogue's database cannot be compared with the list", extra={"error": str(error)})
            return False
        for each in known:
            self._noted[each.resource_name] = hash(recordable_of(each))
        return True

    async def run(self) -> None:
        """Write for ever; back off while the database does not answer."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            await self._changed.wait()
            try:
                await self.flush()
                backoff_s = _FIRST_BACKOFF_S
            except DatabaseUnavailableError as error:
                log.warning("the catalogue's database cannot be written", extra={"error": str(error)})
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)

    async def flush(self) -> None:
        """Write all that waits; DatabaseUnavailableError, after which the rest still waits."""
        while self.pending:
            async with self.pending.writing:
                batch = self.pending.first(_BATCH)
                try:
                    await self.write(batch)
                except DatabaseUnavailableError:
                    self.is_failing = True
                    raise
                self.is_failing = False
                self.pending.written(batch)
            for each in batch:
                self.on_written(each.entry.resource_name)
        self._changed.clear()

    async def keep_swept(self, catalogue: Catalogue, synced: asyncio.Event) -> None:
        """Remove rows of unfinished imports whose resource went away unseen, again and again."""
        while True:
            await synced.wait()
            try:
                await self.sweep(catalogue)
            except DatabaseUnavailableError as error:
                log.warning("the catalogue's database cannot be swept", extra={"error": str(error)})
            await asyncio.sleep(self._sweep_s)

    async def sweep(self, catalogue: Catalogue) -> int:
        """Remove rows of unfinished imports that the cache lacks; return their number. DatabaseUnavailableError."""
        seen = catalogue.seen_version
        self._noted = {name: each for name, each in self._noted.items() if catalogue.has_name(name)}
        statement = select(*KEY_COLUMNS, _COLUMNS.resource_version).where(
            _COLUMNS.status == "uploading", _COLUMNS.resource_version <= seen
        )

        async def work(connection: AsyncConnection) -> int:
            found = (await connection.execute(statement)).all()
            lost = [each for each in found if not catalogue.exists(each.resource_name, asset_id=each.id)]
            for each in lost:
                key = is_row(user_id=each.user_id, asset_id=each.id, resource_name=each.resource_name)
                version = _COLUMNS.resource_version == each.resource_version
                await connection.execute(delete(MEDIA_ASSETS).where(key, version))
            return len(lost)

        # A transaction next to another writer's would wait for it, and the other way round.
        async with self.pending.writing:
            return await answered(self._engine, work)

    async def write(self, changes: list[Change]) -> None:
        """Write changes in one transaction, each alone if the database refuses one; DatabaseUnavailableError."""
        if len({each.key for each in changes}) < len(changes):
            return await self._write_each(changes)
        try:
            await self._write_together(changes)
        except Exception as error:
            if isinstance(error, DatabaseUnavailableError) and not _is_refusal(error.__cause__):
                raise
            if len(changes) == 1:
                self.refused += 1
                self._refused.add(changes[0].entry.resource_name)
                about = {"resource": changes[0].entry.resource_name, "error": type(error.__cause__ or error).__name__}
                log.error("the catalogue's database refuses a row", extra=about)  # noqa: TRY400 - no data of users
                return None
            await self._write_each(changes)
        return None

    async def _write_each(self, changes: list[Change]) -> None:
        for each in changes:
            await self.write([each])

    async def _write_together(self, changes: list[Change]) -> None:
        rows = [row_of(each.entry) | {"resource_gone": each.is_gone} for each in changes if not each.is_lost]
        lost = [each.entry for each in changes if each.is_lost]

        async def work(connection: AsyncConnection) -> None:
            if rows:
                await upsert(connection, rows)
            for entry in lost:
                statement = delete(MEDIA_ASSETS).where(
                    is_row(user_id=entry.user_id, asset_id=entry.asset_id, resource_name=entry.resource_name),
                    _COLUMNS.resource_uid == entry.resource_uid,
                    _COLUMNS.status == "uploading",
                )
                await connection.execute(statement)

        await answered(self._engine, work)
        self.written += len(rows)


def _ignore(_: str) -> None:
    pass


def _is_refusal(cause: BaseException | None) -> bool:
    """Return whether the values are wrong, and not the connection or the schema."""
    is_unsent = isinstance(cause, StatementError) and not isinstance(cause, DBAPIError)
    return is_unsent or isinstance(cause, DataError | IntegrityError)
