"""`rebuild` and `verify-catalogue` with real S3 servers and both databases."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.catalogue.database import DatabaseArchive, Recorder, commands
from mediaimport_webhook.catalogue.database.rebuild import Rebuild, Rebuilt
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS
from mediaimport_webhook.catalogue.database.walk import Walk
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.store.listing import AssetListing
from mediaimport_webhook.store.records import RecordReader
from mediaimport_webhook.store.sidecars import MAX_SIDECAR_BYTES, open_fetch
from sqlalchemy import delete, literal, select, update

from tests.support.loopback.processes import free_port
from tests.support.walked_store import COUNT, DELETED, IMPORTS, KEPT, UNFINISHED, Installation, of, put
from tests.support.webhook import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.sidecar import Sidecar, Tombstone
    from mediaimport_webhook.store.sidecars import Fetch
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.loopback.store import Store
    from tests.support.postgres import Postgres
    from tests.support.webhook import Start

_COLUMNS = MEDIA_ASSETS.c


def test_rebuilt_database_is_the_recorded_one(installation: Installation) -> None:
    installation.record()
    recorded = installation.rows()
    assert (len(recorded), installation.verify()) == (COUNT, 0)
    installation.execute(delete(MEDIA_ASSETS))
    assert (installation.rebuild(), installation.told("written"), installation.rows()) == (0, [COUNT], recorded)
    assert installation.verify() == 0
    assert (installation.told("records"), installation.told("rows")) == ([COUNT], [len(KEPT)])


def test_bucket_of_a_lost_cluster_becomes_the_catalogue_of_a_new_one(installation: Installation, start: Start) -> None:
    """As docs/backup.md says: an empty database, and `rebuild`."""
    assert installation.rebuild() == 0
    webhook = start(CATALOGUE_URL=installation.url)
    listed: list[str] = []
    place: str | None = ""
    while place is not None:
        page = webhook.call("GET", f"/api/v1/media/?limit=100{place}", token=ROOT).json()
        listed += [each["id"] for each in page["assets"]]
        place = None if page["next"] is None else f"&cursor={page['next']}"
    assert sorted(listed) == sorted(each.keys.asset_id for each in KEPT)
    asset = webhook.call("GET", f"/api/v1/media/{listed[0]}", token=ROOT).json()
    assert (asset["status"], asset["url"] is None) == ("ready", False)
    deleted = webhook.call("GET", f"/api/v1/media/{DELETED[0].keys.asset_id}", token=ROOT)
    assert (deleted.status_code, webhook.sidecars.reads) == (410, [])


def test_deleted_asset_leaves_nothing_that_its_owner_wrote(installation: Installation) -> None:
    installation.record()
    rows = [each for each in installation.rows() if each["status"] == "deleted"]
    assert len(rows) == len(DELETED)
    for row in rows:
        assert not any(row[name] for name in ("name", "tags", "file_metadata", "generation", "search_words", "s3_key"))


def test_rebuild_leaves_rows_of_resources_as_they_are(installation: Installation) -> None:
    installation.record()
    before = installation.rows("id", "status", "resource_uid", "completed_at", "name", "size_bytes")
    assert installation.rebuild() == 0
    assert installation.rows("id", "status", "resource_uid", "completed_at", "name", "size_bytes") == before


def test_asset_that_was_deleted_unseen_is_deleted_by_a_rebuild(installation: Installation) -> None:
    installation.record()
    recorded = installation.rows()

    async def work(engine: AsyncEngine) -> None:
        """Write the rows as they were before the deletions."""
        recorder = Recorder(engine)
        for each in DELETED:
            recorder.note(entry_of(each.resource))
        await recorder.flush()

    installation.execute(*(delete(MEDIA_ASSETS).where(of(each)) for each in DELETED))
    installation.run(work)
    assert installation.verify() == commands.DIFFERENT
    assert installation.told("other_values") == [len(DELETED)]
    assert (installation.rebuild(), installation.rows()) == (0, recorded)


def test_each_kind_of_difference_is_reported_and_nothing_else(installation: Installation) -> None:
    installation.record()
    renamed, lost, unfinished, failed, adopted, extra = KEPT[:6]
    copied = [each.name for each in _COLUMNS if each.name != "id"]
    stray = AssetKeys(extra.keys.user_id, "ffffffff-ffff-4fff-8fff-ffffffffffff")
    copy = select(literal(stray.asset_id), *(_COLUMNS[each] for each in copied)).where(of(extra))
    installation.execute(
        update(MEDIA_ASSETS).where(of(renamed)).values(name="other", size_bytes=1),
        delete(MEDIA_ASSETS).where(of(lost)),
        update(MEDIA_ASSETS).where(of(unfinished)).values(status="uploading", name="other"),
        update(MEDIA_ASSETS).where(of(adopted)).values(resource_uid="later", name="other"),
        MEDIA_ASSETS.insert().from_select(["id", *copied], copy),
        update(MEDIA_ASSETS).where(of(failed)).values(resource_name="z-other", status="failed"),
    )
    assert installation.verify() == commands.DIFFERENT
    found = {
        each.key: (each.kind, each.columns)  # type: ignore[attr-defined]
        for each in installation.log.records
        if hasattr(each, "kind")
    }
    assert found == {
        renamed.keys.sidecar: ("other values", ["name", "size_bytes"]),
        lost.keys.sidecar: ("no row", []),
        failed.keys.sidecar: ("no row", []),
        stray.sidecar: ("no record", []),
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"version": 1}', b" " * (MAX_SIDECAR_BYTES + 1), KEPT[1].sidecar],
    ids=["empty", "cut", "no sidecar", "too long", "of another asset"],
)
def test_wrong_record_is_reported_and_holds_up_no_other(installation: Installation, body: bytes) -> None:
    installation.record()
    installation.execute(delete(MEDIA_ASSETS))
    wrong, client = KEPT[0], installation.store.client()
    put(client, wrong.keys.sidecar, body)
    try:
        assert installation.rebuild() == commands.DIFFERENT
        assert installation.told("key") == [wrong.keys.sidecar]
        assert (installation.told("written"), installation.told("wrong")) == ([COUNT - 1], [1])
        assert installation.verify() == commands.DIFFERENT
        assert (installation.told("wrong_record"), installation.told("no_record")) == ([1], [])
    finally:
        put(client, wrong.keys.sidecar, wrong.sidecar)
    assert (installation.rebuild(), installation.verify()) == (0, 0)


def test_two_records_of_one_row_hold_up_no_other(installation: Installation) -> None:
    """No importer writes the id in upper case; a tool that copies a bucket may."""
    twin = AssetKeys(DELETED[0].keys.user_id, DELETED[0].keys.asset_id.upper())
    client = installation.store.client()
    put(client, twin.sidecar, DELETED[0].tombstone)
    try:
        assert installation.rebuild() == 0
    finally:
        client.delete_object(Bucket=installation.store.variables()["S3_BUCKET_NAME"], Key=twin.sidecar)
    assert len(installation.rows()) == COUNT


def test_rebuild_goes_on_behind_an_asset(installation: Installation) -> None:
    prefixes = sorted(each.keys.prefix for each in IMPORTS)
    assert installation.rebuild(after=prefixes[99]) == 0
    found = {AssetKeys(each["user_id"], each["id"]).prefix for each in installation.rows("user_id", "id")}
    assert found == set(prefixes[100:])


@pytest.mark.parametrize("page_size", [1, 2, 7, 1000])
def test_listing_has_each_asset_once_whatever_the_pages(store: Store, page_size: int) -> None:
    listing = AssetListing(StoreSettings.read(Environment(store.variables())), page_size=page_size)

    async def scene() -> list[tuple[str, frozenset[str]]]:
        return [(each.keys.prefix, each.names) async for each in listing.assets()]

    expected = [(each.keys.prefix, frozenset({"asset.json", "thumbnail.jpg"})) for each in KEPT]
    expected += [(each.keys.prefix, frozenset({"asset.json"})) for each in DELETED]
    assert sorted(asyncio.run(scene())) == sorted([*expected, (UNFINISHED.prefix, frozenset({"thumbnail.jpg"}))])


def test_store_or_database_that_does_not_answer_ends_the_commands_as_unfinished(
    installation: Installation, tmp_path: Path
) -> None:
    away = {"S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    denied = {"S3_SECRET_ACCESS_KEY": "wrong"}
    no_schema = {"CATALOGUE_URL": f"sqlite:///{tmp_path / 'empty.db'}"}
    for changes in (away, denied, no_schema):
        for command in (installation.rebuild, installation.verify):
            assert command(**changes) == commands.UNFINISHED, (changes, command)
            assert installation.told("error") != []
    assert installation.rows() == []


class Restarting(RecordReader):
    """Reader of records in whose middle the database goes away and comes back."""

    def __init__(self, settings: StoreSettings, fetch: Fetch, server: Postgres) -> None:
        super().__init__(settings, fetch)
        self._server = server
        self._reads = 0
        self.restarts = 0

    async def read(self, keys: AssetKeys) -> Sidecar | Tombstone | None:
        self._reads += 1
        if self._reads in {40, 90}:
            self.restarts += 1
            await asyncio.to_thread(self._server.stop)
            asyncio.get_running_loop().call_later(0.3, self._server.start)
        return await super().read(keys)


def test_rebuild_waits_for_a_database_that_goes_away(
    installation: Installation, kinds: list[str], request: pytest.FixtureRequest
) -> None:
    if "PostgreSQL" not in kinds:
        pytest.skip("SQLite is a file")
    settings = StoreSettings.read(Environment(installation.store.variables()))

    async def work(engine: AsyncEngine) -> tuple[Rebuilt, int]:
        async with open_fetch(settings) as fetch:
            reader = Restarting(settings, fetch, request.getfixturevalue("postgresql"))
            rebuild = Rebuild(Walk(reader, batch=10), Recorder(engine), DatabaseArchive(engine))
            return await rebuild.of([each async for each in AssetListing(settings).assets()]), reader.restarts

    done, restarts = installation.run(work)
    assert (done, restarts) == (Rebuilt(written=COUNT), 2)
    assert installation.verify() == 0


@pytest.mark.parametrize("processes", ["1", "3"])
def test_number_of_processes_changes_nothing(installation: Installation, processes: str) -> None:
    """SQLite has one in any case."""
    installation.record()
    recorded = installation.rows()
    installation.execute(delete(MEDIA_ASSETS))
    variables = os.environ | installation.store.variables() | {"CATALOGUE_WALK_PROCESSES": processes}

    def run(command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        line = (sys.executable, "-m", "mediaimport_webhook", command)
        env = variables | {"CATALOGUE_URL": installation.url} | changes
        return subprocess.run(line, env=env, capture_output=True, text=True, check=False, timeout=120)

    rebuilt, verified = run("rebuild"), run("verify-catalogue")
    assert (rebuilt.returncode, installation.rows(), verified.returncode) == (0, recorded, 0), rebuilt.stderr
    assert json.loads(rebuilt.stderr.splitlines()[-1])["written"] == COUNT
    assert json.loads(verified.stderr.splitlines()[-1])["records"] == COUNT
    away = f"http://127.0.0.1:{free_port()}"
    assert run("rebuild", S3_ENDPOINT_URL=away).returncode == commands.UNFINISHED
    assert run("rebuild", CATALOGUE_URL="postgresql://:x@:y/").returncode == 2


@pytest.mark.parametrize(
    ("command", "given", "missing"),
    [
        ("rebuild", {"S3_BUCKET_NAME": "b"}, "CATALOGUE_URL"),
        ("verify-catalogue", {"CATALOGUE_URL": "sqlite:////x"}, "S3_BUCKET_NAME"),
    ],
)
def test_command_names_the_setting_that_is_missing(command: str, given: dict[str, str], missing: str) -> None:
    line = (sys.executable, "-m", "mediaimport_webhook", command)
    done = subprocess.run(line, env=os.environ | given, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, missing in done.stderr) == (2, True)
