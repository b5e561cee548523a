"""Rebuild: writes the rows of all records in the store, as the recorder wrote them while their resources existed."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.pending import Change

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.database.archive import DatabaseArchive
    from mediaimport_webhook.catalogue.database.recorder import Recorder
    from mediaimport_webhook.catalogue.database.walk import Walk
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.store.listing import ListedAsset

log = logging.getLogger(__name__)
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 15.0
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Rebuilt:
    """Numbers of records that are written, and that were left out."""

    written: int = 0
    wrong: int = 0
    refused: int = 0

    def __add__(self, other: Rebuilt) -> Rebuilt:
        """Return the sums."""
        return Rebuilt(self.written + other.written, self.wrong + other.wrong, self.refused + other.refused)

    @property
    def is_whole(self) -> bool:
        """Return whether each record has its row."""
        return not (self.wrong or self.refused)


class Rebuild:
    """Writes rows. It may run again, and next to a webhook: no row of a resource goes back to what its record says."""

    def __init__(
        self, walk: Walk, recorder: Recorder, archive: DatabaseArchive, *, patience_s: float = _PATIENCE_S
    ) -> None:
        self._walk = walk
        self._recorder = recorder
        self._archive = archive
        self._patience_s = patience_s

    async def of(self, assets: list[ListedAsset]) -> Rebuilt:
        """Write the rows of these assets; StoreUnavailableError, DatabaseUnavailableError.

        A database that was there and goes away is waited for, some minutes.
        """
        before, wrong = Rebuilt(self._recorder.written, refused=self._recorder.refused), 0
        async for batch in self._walk.batches(assets):
            await self._write(batch.entries)
            wrong += len(batch.wrong)
        return Rebuilt(self._recorder.written - before.written, wrong, self._recorder.refused - before.refused)

    async def _write(self, entries: list[Entry]) -> None:
        changes = [Change(each, is_gone=True) for each in entries]
        # The row of a resource stays, but not before an edit that did not reach it.
        edited = [each for each in entries if each.overlay_revision]
        end, backoff_s = time.monotonic() + self._patience_s, _FIRST_BACKOFF_S
        while True:
            try:
                await self._recorder.write(changes)
                return await self._archive.edit(*edited) if edited else None
            except DatabaseUnavailableError as error:
                if not self._recorder.written or time.monotonic() > end:
                    raise
                log.warning("the catalogue's database cannot be written", extra={"error": str(error)})
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)
