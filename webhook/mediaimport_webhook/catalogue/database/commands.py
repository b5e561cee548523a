"""Commands that walk the store for the catalogue's database: `rebuild` and `verify-catalogue`."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.store_settings import StoreSettings

from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database.archive import DatabaseArchive
from mediaimport_webhook.catalogue.database.engine import opened
from mediaimport_webhook.catalogue.database.rebuild import Rebuild
from mediaimport_webhook.catalogue.database.recorder import Recorder
from mediaimport_webhook.catalogue.database.verification import Verification
from mediaimport_webhook.catalogue.database.walk import Walk
from mediaimport_webhook.settings import CatalogueUrl
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.listing import AssetListing
from mediaimport_webhook.store.records import RecordReader
from mediaimport_webhook.store.sidecars import open_fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.environment import Environment
    from sqlalchemy.ext.asyncio import AsyncEngine

log = logging.getLogger(__name__)
DIFFERENT, UNFINISHED = 1, 3
"""Exit codes: it ended, and not all is well; store or database did not answer, and it may run again."""


@dataclass(frozen=True)
class WalkSettings:
    """Settings of both commands: store and database."""

    store: StoreSettings
    catalogue_url: CatalogueUrl
    log_level: str

    @classmethod
    def read(cls, env: Environment) -> WalkSettings:
        """Return the settings; BadSettingError."""
        url = CatalogueUrl.of(env)
        if url is None:
            raise BadSettingError("CATALOGUE_URL is not set; set it, or CATALOGUE_URL_FILE, to reach the database")
        return cls(StoreSettings.read(env), url, env.text("LOG_LEVEL", "info"))


async def rebuild(settings: WalkSettings, *, after: str = "") -> int:
    """Write the rows of all records in the store; return the exit code."""
    async with _parts(settings) as (walk, engine):
        try:
            done = await Rebuild(walk, Recorder(engine), DatabaseArchive(engine)).run(after=after)
        except (StoreUnavailableError, DatabaseUnavailableError) as error:
            log.error("the rebuild did not end; it may run again", extra={"error": str(error)})  # noqa: TRY400 - expected: no traceback
            return UNFINISHED
    numbers = {"written": done.written, "wrong": done.wrong, "refused": done.refused}
    log.log(logging.INFO if done.is_whole else logging.ERROR, "the catalogue is rebuilt", extra=numbers)
    return 0 if done.is_whole else DIFFERENT


async def verify(settings: WalkSettings) -> int:
    """Compare all records in the store with the rows; return the exit code."""
    async with _parts(settings) as (walk, engine):
        try:
            done = await Verification(walk, engine).run()
        except (StoreUnavailableError, DatabaseUnavailableError) as error:
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
        yield Walk(AssetListing(settings.store), RecordReader(settings.store, fetch)), engine
