"""Commands that walk the store for the catalogue's database: `rebuild` and `verify-catalogue`."""

from __future__ import annotations

import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.store_settings import StoreSettings

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.archive import DatabaseArchive
from mediaimport_webhook.catalogue.database.compared import RecordComparison
from mediaimport_webhook.catalogue.database.engine import is_sqlite, opened
from mediaimport_webhook.catalogue.database.rebuild import Rebuild, Rebuilt
from mediaimport_webhook.catalogue.database.recorder import Recorder
from mediaimport_webhook.catalogue.database.together import Together
from mediaimport_webhook.catalogue.database.verification import Verification
from mediaimport_webhook.catalogue.database.walk import Walk
from mediaimport_webhook.catalogue.database.workers import Processes, WorkerLostError
from mediaimport_webhook.settings import CatalogueUrl
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.listing import AssetListing
from mediaimport_webhook.store.records import RecordReader
from mediaimport_webhook.store.sidecars import open_fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from mediaimport_runtime.environment import Environment
    from sqlalchemy.ext.asyncio import AsyncEngine

    from mediaimport_webhook.catalogue.database.compared import Compared
    from mediaimport_webhook.catalogue.database.workers import Opener
    from mediaimport_webhook.store.listing import ListedAsset

log = logging.getLogger(__name__)
_LOGGED_EVERY = 10_000
_MAX_DEFAULT_PROCESSES = 4
_UNFINISHED_ERRORS = (StoreUnavailableError, DatabaseUnavailableError, WorkerLostError)
DIFFERENT, UNFINISHED = 1, 3
"""Exit codes: it ended, and not all is well; store or database did not answer, and it may run again."""


@dataclass(frozen=True)
class WalkSettings:
    """Settings of both commands: store, database, and the number of processes that read records."""

    store: StoreSettings
    catalogue_url: CatalogueUrl
    log_level: str
    processes: int

    @classmethod
    def read(cls, env: Environment) -> WalkSettings:
        """Return the settings; BadSettingError."""
        url = CatalogueUrl.of(env)
        if url is None:
            raise BadSettingError("CATALOGUE_URL is not set; set it, or CATALOGUE_URL_FILE, to reach the database")
        processes = env.integer("CATALOGUE_WALK_PROCESSES", 0) or _default_processes()
        return cls(StoreSettings.read(env), url, env.text("LOG_LEVEL", "info"), processes)


def _default_processes() -> int:
    """Return the number of processors, as far as the memory of a small pod reaches."""
    return min(len(os.sched_getaffinity(0)), _MAX_DEFAULT_PROCESSES)


@asynccontextmanager
async def rebuilding(settings: WalkSettings) -> AsyncIterator[Callable[[list[ListedAsset]], Awaitable[Rebuilt]]]:
    """Open the work of a process that rebuilds."""
    async with _parts(settings) as (walk, engine):
        yield Rebuild(walk, Recorder(engine), DatabaseArchive(engine)).of


@asynccontextmanager
async def comparing(settings: WalkSettings) -> AsyncIterator[Callable[[list[ListedAsset]], Awaitable[Compared]]]:
    """Open the work of a process that compares records with rows."""
    async with _parts(settings) as (walk, engine):
        yield RecordComparison(walk, engine).of


def rebuild(settings: WalkSettings, *, after: str = "") -> Coroutine[Any, Any, int]:
    """Start the processes, and return what writes the rows of all records in the store and returns the exit code.

    DatabaseUnavailableError for a wrong URL.
    """
    return _rebuild(settings, _started(rebuilding, settings), after)


async def _rebuild(settings: WalkSettings, processes: Processes, after: str) -> int:
    done, logged = Rebuilt(), 0
    try:
        async with processes.at_work() as workers:
            async for last, each in workers.results(AssetListing(settings.store).assets(after=after)):
                done += each
                if done.written - logged >= _LOGGED_EVERY:
                    logged = done.written
                    log.info("the catalogue is being rebuilt", extra={"written": logged, "after": last})
    except _UNFINISHED_ERRORS as error:
        log.error("the rebuild did not end; it may run again", extra={"error": str(error)})  # noqa: TRY400 - expected: no traceback
        return UNFINISHED
    numbers = {"written": done.written, "wrong": done.wrong, "refused": done.refused}
    log.log(logging.INFO if done.is_whole else logging.ERROR, "the catalogue is rebuilt", extra=numbers)
    return 0 if done.is_whole else DIFFERENT


def verify(settings: WalkSettings) -> Coroutine[Any, Any, int]:
    """Start the processes, and return what compares all records with the rows and returns the exit code.

    DatabaseUnavailableError for a wrong URL.
    """
    return _verify(settings, _started(comparing, settings))


def _started(opener: Opener, settings: WalkSettings) -> Processes:
    # SQLite has one writer at a time.
    return Processes(opener, replace(settings, processes=1) if is_sqlite(settings.catalogue_url) else settings)


async def _verify(settings: WalkSettings, processes: Processes) -> int:
    try:
        async with processes.at_work() as workers, _parts(settings) as (walk, engine):
            results = workers.results(AssetListing(settings.store).assets())
            done = await Verification(walk, engine).run(each async for _, each in results)
    except _UNFINISHED_ERRORS as error:
        log.error("the verification did not end; it may run again", extra={"error": str(error)})  # noqa: TRY400 - expected: no traceback
        return UNFINISHED
    differences = {kind.value.replace(" ", "_"): number for kind, number in done.differences.items() if number}
    numbers = {"records": done.records, "rows": done.rows, **differences}
    if done.is_equal:
        log.info("the catalogue equals the store", extra=numbers)
        return 0
    log.error("the catalogue differs from the store", extra=numbers)
    return DIFFERENT


@asynccontextmanager
async def _parts(settings: WalkSettings) -> AsyncIterator[tuple[Walk, AsyncEngine]]:
    async with open_fetch(settings.store) as fetch, opened(settings.catalogue_url) as engine:
        yield Walk(RecordReader(settings.store, Together(fetch).fetch)), engine
