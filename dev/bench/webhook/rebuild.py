"""`make bench-rebuild`: the catalogue of 100,000 assets in PostgreSQL, dropped and rebuilt from an S3 server.

The recorder writes the rows first, as while the resources existed; the rebuilt ones must be the same. Then writers and
PostgreSQL are killed in the middle of smaller catalogues. REBUILD_RECORDS, REBUILD_KILLED_RECORDS and REBUILD_KILLS
take other sizes.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from mediaimport_api.overlay import Overlay
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database import Recorder, opened
from mediaimport_webhook.catalogue.database.comparison import OF_RESOURCE
from mediaimport_webhook.catalogue.database.migration import migrate
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.overlay import annotation_of
from mediaimport_webhook.settings import CatalogueUrl
from mediaimport_webhook.store.query_signer import QuerySigner
from mediaimport_webhook.store.requests import LIFETIME_S, client_of
from yarl import URL

from dev.bench.figures import Bar, Figure, Sheet
from dev.bench.webhook.catalogue_kills import Writer, kill_server, kill_writer
from tests.support.ended_imports import ended_imports
from tests.support.loopback.store import BUCKET, Store, running_store, versitygw
from tests.support.postgres import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.support.ended_imports import EndedImport

RECORDS = int(os.environ.get("REBUILD_RECORDS", "100000"))
KILLED_RECORDS = int(os.environ.get("REBUILD_KILLED_RECORDS", "5000"))
KILLS = int(os.environ.get("REBUILD_KILLS", "20"))
USERS = 1000
_RATE = 2000
_RECORDED_RATE = 500
_READS = 5000
_CONCURRENCY = 64
_BACKOFF_S = 0.2
_DELETED_EVERY, _EDITED_EVERY = 50, 40
_COMMAND = (sys.executable, "-m", "mediaimport_webhook")


def main() -> Sheet:
    """Measure and report."""
    sizes = {"records": RECORDS, "killed_records": KILLED_RECORDS, "kills": KILLS}
    sheet = Sheet("rebuild", width=60, form=sizes)
    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        for measured, records in ((_whole, RECORDS), (_killed, KILLED_RECORDS))[: 2 if KILLS else 1]:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-rebuild-")))
            options = ("--keep-alive", "--quiet")
            with running_store(folder, program=versitygw(), certificate=None, options=options) as store:
                fixture = Fixture(server, store, folder / "objects" / BUCKET, server.create_database(), records)
                for each in measured(fixture):
                    sheet.add(each)
            shutil.rmtree(folder / "objects")
    return sheet


def _whole(fixture: Fixture) -> Iterator[Figure]:
    asyncio.run(fixture.migrated())
    fixture.fill()
    took_s = asyncio.run(fixture.recorded())
    bar = Bar(_RECORDED_RATE, at_most=False)
    yield Figure("rows written by the recorder", fixture.records / took_s, "/s", None, bar)
    reads = asyncio.run(_bare_reads(fixture))
    yield Figure("records read from the store by bare GETs", reads, "/s")
    fixture.keep_as_recorded()
    for command in ("rebuild", "verify-catalogue"):
        used = _children_cpu_s()
        took_s = fixture.writer(command).finish()
        cpu_us = (_children_cpu_s() - used) / fixture.records * 1e6
        at_least = Bar(_RATE, at_most=False) if command == "rebuild" else None
        yield Figure(f"records by {command}", fixture.records / took_s, "/s", reads, at_least)
        yield Figure("the same, the command's processor time of one", cpu_us, "us")
        yield Figure("rows that differ from the recorder's", fixture.differing(), "", 0, Bar(0))


def _killed(fixture: Fixture) -> Iterator[Figure]:
    asyncio.run(fixture.migrated())
    fixture.fill()
    asyncio.run(fixture.recorded())
    fixture.keep_as_recorded()
    recorder = Writer([sys.executable, "-m", "dev.bench.webhook.rebuild"], fixture.variables)
    for name, writer in (("rebuild", fixture.writer("rebuild")), ("recorder", recorder)):
        lasts_s = writer.finish()
        fixture.empty()
        kill_writer(writer, times=KILLS, lasts_s=lasts_s)
        yield Figure(f"{KILLS} kills of the {name}: rows that differ", fixture.differing(), "", 0, Bar(0))
        kill_server(writer, fixture.server, fixture.url, times=KILLS)
        figure = f"{KILLS} kills of PostgreSQL below the {name}: rows that differ"
        yield Figure(figure, fixture.differing(), "", 0, Bar(0))
    fixture.writer("verify-catalogue").finish()


@dataclass(frozen=True)
class Fixture:
    """A store with records, and a database."""

    server: Postgres
    store: Store
    objects: Path
    url: str
    records: int

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of the programs."""
        sizes = {"REBUILD_KILLED_RECORDS": str(self.records)}
        return {**os.environ, **self.store.variables(), **sizes, "CATALOGUE_URL": self.url}

    def writer(self, command: str) -> Writer:
        """Return a command of the webhook."""
        return Writer([*_COMMAND, command], self.variables)

    async def migrated(self) -> None:
        """Create the table."""
        async with opened(CatalogueUrl(self.url, None)) as engine:
            await migrate(engine)

    def fill(self) -> None:
        """Put records into the store: of one asset in fifty a tombstone, next to one in forty an overlay."""
        for number, each in enumerate(ended_imports(self.records, users=USERS)):
            sidecar = self.objects / each.keys.sidecar
            sidecar.parent.mkdir(parents=True)
            sidecar.write_bytes(each.tombstone if _is_deleted(number) else each.sidecar)
            if not _is_deleted(number):
                (self.objects / each.keys.thumbnail).write_bytes(b"x")
            if _is_edited(number):
                (self.objects / each.keys.overlay).write_text(json.dumps(_overlay(number).to_wire()))

    async def recorded(self) -> float:
        """Write the rows as a webhook's recorder does; return the seconds."""
        begun = time.monotonic()
        async with opened(CatalogueUrl(self.url, None)) as engine:
            recorder = Recorder(engine)
            for each in _resources(self.records):
                recorder.note(entry_of(each))
                if recorder.unrecorded == _READS:
                    await recorder.flush()
            await recorder.flush()
        return time.monotonic() - begun

    def keep_as_recorded(self) -> None:
        """Keep the rows for the comparison, and drop them."""
        self.query("CREATE TABLE recorded AS TABLE media_assets")
        self.empty()

    def empty(self) -> None:
        """Drop all rows."""
        self.query("TRUNCATE media_assets")

    def differing(self) -> int:
        """Return the number of rows that only one of both tables has."""
        names = [each.name for each in MEDIA_ASSETS.columns if each.name not in {*OF_RESOURCE, "created_at"}]
        # When a deleted asset was created is known to nobody.
        columns = ", ".join([*names, "CASE WHEN status = 'deleted' THEN NULL ELSE created_at END"])
        both = (f"SELECT {columns} FROM {table}" for table in ("recorded", "media_assets"))  # noqa: S608 - names of ours
        old, new = both
        either = f"({old} EXCEPT ALL {new}) UNION ALL ({new} EXCEPT ALL {old})"
        return int(self.query(f"SELECT count(*) FROM ({either}) AS differing"))  # noqa: S608 - likewise

    def query(self, statement: str) -> str:
        """Return what psql prints."""
        return self.server.query(statement, url=self.url)


def _is_deleted(number: int) -> bool:
    return number % _DELETED_EVERY == 0


def _is_edited(number: int) -> bool:
    return number % _EDITED_EVERY == 1


def _overlay(number: int) -> Overlay:
    edit = {"revision": 3, "updated_at": "2026-02-01T00:00:00Z", "name": f"edited {number}", "tags": ["größe"]}
    return Overlay.model_validate(edit | {"metadata": {"note": "edited", "number": number}})


def _resources(count: int) -> Iterator[dict[str, Any]]:
    """Yield the resources as they were last seen: deleted ones with the deletion, edited ones with the annotation."""
    for number, each in enumerate(ended_imports(count, users=USERS)):
        yield _last_seen(each, number)


def _last_seen(each: EndedImport, number: int) -> dict[str, Any]:
    found, about = each.resource, each.resource["metadata"]
    if _is_deleted(number):
        gone = about | {"deletionTimestamp": "2026-02-01T00:00:00Z"}
        return found | {"metadata": gone, "spec": found["spec"] | {"deletionPolicy": "Delete"}}
    if _is_edited(number):
        annotations = {"mediaimport.dev/overlay": annotation_of(_overlay(number))}
        return found | {"metadata": about | {"annotations": annotations}}
    return found


async def _bare_reads(fixture: Fixture) -> float:
    """Return how many records a second GETs read that do nothing else, as many at a time as the rebuild."""
    settings = StoreSettings.read(Environment(fixture.variables))
    signer = QuerySigner(client_of(settings), bucket=settings.bucket, lifetime_s=LIFETIME_S)
    every = ended_imports(min(_READS, fixture.records), users=USERS)
    urls = [URL(await signer.url(each.keys.sidecar), encoded=True) for each in every]
    slots = asyncio.Semaphore(_CONCURRENCY)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONCURRENCY)) as session:

        async def read(url: URL) -> None:
            async with slots, session.get(url) as answer:
                answer.raise_for_status()
                await answer.read()

        begun = time.monotonic()
        await asyncio.gather(*map(read, urls))
        return len(urls) / (time.monotonic() - begun)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _record_until_written() -> None:
    """Be a recorder whose cache has just listed all resources, however often the database goes away."""
    async with opened(CatalogueUrl(os.environ["CATALOGUE_URL"], None)) as engine:
        recorder = Recorder(engine)
        for each in _resources(KILLED_RECORDS):
            recorder.note(entry_of(each))
        while recorder.unrecorded:
            try:
                await recorder.flush()
            except DatabaseUnavailableError:
                await asyncio.sleep(_BACKOFF_S)


if __name__ == "__main__":
    asyncio.run(_record_until_written())
