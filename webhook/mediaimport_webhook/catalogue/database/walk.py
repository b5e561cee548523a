"""Walk through the records of assets, in batches, with bounded concurrency and memory."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mediaimport_webhook.catalogue.stored import entry_of_record
from mediaimport_webhook.store.records import WrongRecordError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from mediaimport_api.names import AssetKeys

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.store.listing import ListedAsset
    from mediaimport_webhook.store.records import RecordReader

log = logging.getLogger(__name__)
_BATCH = 250
_CONCURRENCY = 64
Read = TypeVar("Read")


@dataclass(frozen=True)
class Batch:
    """Entries of some assets."""

    entries: list[Entry]
    wrong: list[AssetKeys]
    """Assets with a wrong record, which have no entry, or with a wrong overlay, which is left out of theirs."""


class Walk:
    """Reads the record of each asset. A wrong one is logged, counted and left out."""

    def __init__(self, reader: RecordReader, *, batch: int = _BATCH, concurrency: int = _CONCURRENCY) -> None:
        self._reader = reader
        self._batch = batch
        self._concurrency = concurrency

    async def batches(self, assets: Sequence[ListedAsset]) -> AsyncIterator[Batch]:
        """Yield these assets; StoreUnavailableError. A batch is read while the one before is used."""
        recorded = [each for each in assets if each.has_record]
        reading: asyncio.Task[Batch] | None = None
        try:
            for first in range(0, len(recorded), self._batch):
                following = asyncio.create_task(self._read_all(recorded[first : first + self._batch]))
                reading, ready = following, reading
                if ready is not None:
                    yield await ready
            if reading is not None:
                yield await reading
        finally:
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await reading

    async def entry(self, keys: AssetKeys) -> Entry | None:
        """Return one asset's entry; None if it has no record, or a wrong one. StoreUnavailableError."""
        entry, _ = await self._read(keys, is_edited=True)
        return entry

    async def _read_all(self, listed: Sequence[ListedAsset]) -> Batch:
        found: list[tuple[Entry | None, bool]] = [(None, False)] * len(listed)
        places = iter(range(len(listed)))

        async def read_next() -> None:
            for place in places:
                found[place] = await self._read(listed[place].keys, is_edited=listed[place].has_overlay)

        try:
            # A task for each record would take as long as a third of its parsing.
            async with asyncio.TaskGroup() as readers:
                for _ in range(min(self._concurrency, len(listed))):
                    readers.create_task(read_next())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        entries = [entry for entry, _ in found if entry is not None]
        return Batch(entries, [each.keys for each, (_, is_wrong) in zip(listed, found, strict=True) if is_wrong])

    async def _read(self, keys: AssetKeys, *, is_edited: bool) -> tuple[Entry | None, bool]:
        """Return the entry, None without a record, or with a wrong one; and whether record or overlay is wrong."""
        record, is_wrong = await _right(self._reader.read(keys), keys.sidecar)
        if record is None:
            return None, is_wrong
        overlay, is_wrong = await _right(self._reader.overlay(keys), keys.overlay) if is_edited else (None, False)
        return entry_of_record(record, overlay, keys), is_wrong


async def _right(reading: Awaitable[Read], key: str) -> tuple[Read | None, bool]:
    """Return what is read, and whether it was wrong and is left out."""
    try:
        return await reading, False
    except WrongRecordError as error:
        log.error("a record is left out", extra={"key": key, "error": str(error)})  # noqa: TRY400 - no traceback
        return None, True
