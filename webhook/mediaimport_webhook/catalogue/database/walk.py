"""Walk through all records of the store, in batches, with bounded concurrency and memory."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mediaimport_webhook.catalogue.stored import entry_of_record
from mediaimport_webhook.store.records import WrongRecordError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from mediaimport_api.names import AssetKeys

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.store.listing import AssetListing, ListedAsset
    from mediaimport_webhook.store.records import RecordReader

log = logging.getLogger(__name__)
_BATCH = 500
_CONCURRENCY = 64
Read = TypeVar("Read")


@dataclass(frozen=True)
class Batch:
    """Entries of some assets; `last` is the prefix of the last one, behind which another walk may begin."""

    entries: list[Entry]
    wrong: list[AssetKeys]
    """Assets with a wrong record, which have no entry, or with a wrong overlay, which is left out of theirs."""
    last: str


class Walk:
    """Reads the record of each asset. A wrong one is logged, counted and left out."""

    def __init__(
        self, listing: AssetListing, reader: RecordReader, *, batch: int = _BATCH, concurrency: int = _CONCURRENCY
    ) -> None:
        self._listing = listing
        self._reader = reader
        self._batch = batch
        self._slots = asyncio.Semaphore(concurrency)

    async def batches(self, *, after: str = "") -> AsyncIterator[Batch]:
        """Yield the assets after that prefix; StoreUnavailableError. A batch is read while the one before is used."""
        reading: asyncio.Task[Batch] | None = None
        try:
            async for listed in self._listed(after):
                following = asyncio.create_task(self._read_all(listed))
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

    async def _listed(self, after: str) -> AsyncIterator[list[ListedAsset]]:
        batch: list[ListedAsset] = []
        async for asset in self._listing.assets(after=after):
            if asset.has_record:
                batch.append(asset)
            if len(batch) == self._batch:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _read_all(self, listed: list[ListedAsset]) -> Batch:
        try:
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(self._read(each.keys, is_edited=each.has_overlay)) for each in listed]
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        found = [each.result() for each in reads]
        entries = [entry for entry, _ in found if entry is not None]
        wrong = [each.keys for each, (_, is_wrong) in zip(listed, found, strict=True) if is_wrong]
        return Batch(entries, wrong, listed[-1].keys.prefix)

    async def _read(self, keys: AssetKeys, *, is_edited: bool) -> tuple[Entry | None, bool]:
        """Return the entry, None without a record, or with a wrong one; and whether record or overlay is wrong."""
        async with self._slots:
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
