from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.catalogue.database import DatabaseArchive, Recorder, opened
from mediaimport_webhook.catalogue.database.engine import answered
from mediaimport_webhook.catalogue.database.migration import migrate
from mediaimport_webhook.catalogue.database.schema import METADATA
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.query import Query
from mediaimport_webhook.settings import CatalogueUrl
from sqlalchemy import text

from tests.support.webhook import ASSET_ID, BOB, ROOT, stored

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from tests.support.postgres import Postgres
    from tests.support.webhook import RunningWebhook, Start

URL = "https://example.com/video.mp4"
LIST = "/api/v1/media/"


def start_import(webhook: RunningWebhook, **body: object) -> str:
    answer = webhook.call("POST", "/api/v1/media/import-from-url", json={"url": URL} | body)
    asset_id: str = answer.json()["asset_id"]
    return asset_id


def resource_of(webhook: RunningWebhook, asset_id: str) -> dict[str, Any]:
    (found,) = [each for each in webhook.cluster.imports.values() if each["spec"]["assetId"] == asset_id]
    return found


def ready_status(asset_id: str) -> dict[str, Any]:
    parts = {name: part.to_wire() for name, part in stored("alice").items()}
    parts["asset"] |= {"id": asset_id, "key": f"media/alice/{asset_id}/video.mp4"}
    parts["thumbnail"]["key"] = f"media/alice/{asset_id}/thumbnail.jpg"
    return {"phase": "Ready", "run": "", "completedAt": "2026-01-01T00:02:00Z"} | parts


def failed_status(message: str) -> dict[str, Any]:
    error = {"reason": "SourceNotFound", "message": message, "retryable": False}
    return {"phase": "Failed", "run": "", "error": error}


def settle(webhook: RunningWebhook) -> None:
    """Wait until all that the webhook saw is written."""
    assert webhook.database is not None
    recorder = webhook.database.recorder
    # A transaction that is open here stays open while the webhook's event loop stands still.
    webhook.until(lambda: recorder.unrecorded == 0 and not recorder.pending.writing.locked())


def finish(webhook: RunningWebhook, asset_id: str, status: dict[str, Any]) -> None:
    webhook.run(webhook.cluster.write(resource_of(webhook, asset_id) | {"status": status}))
    path = f"{LIST}{asset_id}"
    webhook.until(lambda: webhook.call("GET", path).json()["phase"] == status["phase"])
    settle(webhook)


def remove(webhook: RunningWebhook, asset_id: str) -> None:
    """Remove the resource, as its time to live does, and wait until the webhook has seen it."""
    before = webhook.sample("mediaimport_webhook_cache_resources") or 0
    webhook.run(webhook.cluster.remove(resource_of(webhook, asset_id)["metadata"]["name"]))
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_resources") == before - 1)
    settle(webhook)


def run_in(url: str, work: Any) -> Any:  # noqa: ANN401 - what the work returns
    async def scene() -> Any:  # noqa: ANN401 - likewise
        async with opened(CatalogueUrl(url, None)) as engine:
            return await work(engine)

    return asyncio.run(scene())


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    async def work(engine: AsyncEngine) -> list[tuple[Any, ...]]:
        async with engine.connect() as connection:
            return [tuple(each) for each in await connection.execute(text(statement))]

    found: list[tuple[Any, ...]] = run_in(url, work)
    return found


def resource(name: str = "a", *, version: int = 10, uid: str = "", second: int = 0, **more: object) -> dict[str, Any]:
    about = {
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": f"2026-01-01T00:00:{second:02d}Z",
    }
    return {"metadata": about, "spec": {"source": {"url": URL}, "assetId": ASSET_ID, "userId": "alice"}} | more


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_migrations_make_the_schema_and_running_them_twice_changes_nothing(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> list[Any]:
        await migrate(engine)
        only = {"media_assets_by_tag", "media_assets_by_word"} if engine.dialect.name == "sqlite" else set()
        options = {
            "compare_type": True,
            "include_object": lambda _, name, kind, *__: kind != "index" or name not in only,
        }
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda each: compare_metadata(MigrationContext.configure(each, opts=options), METADATA)
            )

    assert run_in(catalogue_url, work) == []


def test_transaction_of_a_caller_that_is_cancelled_ends_and_gives_its_connection_back(catalogue_url: str) -> None:
    async def scene(engine: AsyncEngine) -> tuple[list[str], int]:
        begun, told = asyncio.Event(), []

        async def work(connection: AsyncConnection) -> None:
            begun.set()
            await connection.execute(text("SELECT 1"))
            await asyncio.sleep(0.1)
            told.append("whole")

        caller = asyncio.ensure_future(answered(engine, work))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        return told, engine.pool.checkedout()  # type: ignore[attr-defined]  # of the pools that these engines have

    assert run_in(catalogue_url, scene) == (["whole"], 0)


def test_asset_is_read_and_listed_as_before_when_its_resource_is_gone(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook, name="a.mp4", tags=["x"], metadata={"scene": 4, "width": "mine"})
    finish(webhook, asset_id, ready_status(asset_id))
    before = [webhook.call("GET", path).json() for path in (f"{LIST}{asset_id}", LIST)]
    remove(webhook, asset_id)
    webhook.cluster.calls.clear()
    after = [webhook.call("GET", path).json() for path in (f"{LIST}{asset_id}", LIST)]
    assert after == before
    assert (webhook.cluster.calls, webhook.sidecars.reads) == ([], [])


def test_asset_of_another_user_stays_hidden_and_an_admin_sees_it(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    finish(webhook, asset_id, ready_status(asset_id))
    remove(webhook, asset_id)
    assert webhook.call("GET", f"{LIST}{asset_id}", token=BOB).status_code == 404
    assert webhook.call("GET", LIST, token=BOB).json()["assets"] == []
    assert webhook.call("GET", f"{LIST}?user=alice", token=BOB).json()["assets"] == []
    assert webhook.call("GET", f"{LIST}{asset_id}", token=ROOT).json()["id"] == asset_id
    listed = webhook.call("GET", f"{LIST}?user=alice", token=ROOT).json()["assets"]
    assert [each["id"] for each in listed] == [asset_id]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_hold_every_asset_once_whether_its_resource_exists_or_not(
    start: Start, catalogue_url: str, limit: int
) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    made = [start_import(webhook, tags=["odd" if number % 2 else "even"]) for number in range(9)]
    for each in made:
        finish(webhook, each, ready_status(each))
    unpaged = [each["id"] for each in webhook.call("GET", f"{LIST}?limit=50").json()["assets"]]
    for each in (made[0], made[3], made[4], made[8]):
        remove(webhook, each)

    def walked(filters: str = "") -> list[str]:
        found, place = [], ""
        while True:
            page = webhook.call("GET", f"{LIST}?limit={limit}{filters}{place}").json()
            found += [each["id"] for each in page["assets"]]
            if page["next"] is None:
                return found
            place = f"&cursor={page['next']}"

    assert walked() == unpaged
    assert sorted(walked("&tag=odd")) == sorted(made[1::2])
    assert walked("&status=failed") == []


def test_queries_of_an_sql_client_find_names_durations_and_errors(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    fine, broken = start_import(webhook, name="fine.mp4"), start_import(webhook, name="broken.mp4")
    finish(webhook, fine, ready_status(fine))
    finish(webhook, broken, failed_status("HTTP 404"))
    durations = "SELECT name, status, file_metadata->>'duration' FROM media_assets WHERE status = 'ready'"
    (found,) = rows(catalogue_url, durations)
    assert (found[:2], float(found[2])) == (("fine.mp4", "ready"), 5.042)
    counts = rows(catalogue_url, "SELECT status, count(*) FROM media_assets GROUP BY status ORDER BY status")
    assert counts == [("failed", 1), ("ready", 1)]
    errors = rows(catalogue_url, "SELECT name, file_metadata->>'error' FROM media_assets WHERE status = 'failed'")
    assert errors == [("broken.mp4", "HTTP 404")]


def test_later_version_stays_whoever_writes_last(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> list[str]:
        for version, phase in ((12, "Ready"), (11, "Importing"), (12, "Ready")):
            recorder = Recorder(engine)
            recorder.note(entry_of(resource(version=version, status={"phase": phase})))
            await recorder.flush()
        return [each.status for each in await DatabaseArchive(engine).page(Query(), user_id=None, limit=9, after=None)]

    assert run_in(catalogue_url, work) == ["ready"]


def test_resource_of_a_new_cluster_replaces_the_one_of_a_lost_cluster(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> list[str]:
        for uid, version, second in (("old", 9000, 1), ("new", 7, 2), ("old", 9001, 1)):
            recorder = Recorder(engine)
            recorder.note(entry_of(resource(version=version, uid=uid, second=second)))
            await recorder.flush()
        archive = DatabaseArchive(engine)
        return [each.resource_uid for each in await archive.page(Query(), user_id=None, limit=9, after=None)]

    assert run_in(catalogue_url, work) == ["new"]


def test_progress_alone_is_not_written(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> int:
        recorder = Recorder(engine)
        for version, percent in ((10, 1), (11, 50), (12, 99)):
            status = {"phase": "Importing", "progress": {"stage": "Transferring", "percent": percent}}
            recorder.note(entry_of(resource(version=version, status=status)))
            await recorder.flush()
        return recorder.written

    assert run_in(catalogue_url, work) == 1


def test_unfinished_import_goes_with_its_resource(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    settle(webhook)
    assert rows(catalogue_url, "SELECT status FROM media_assets") == [("uploading",)]
    remove(webhook, asset_id)
    assert rows(catalogue_url, "SELECT status FROM media_assets") == []
    assert webhook.call("GET", f"{LIST}{asset_id}").status_code == 404


def test_unfinished_import_whose_end_nobody_saw_is_swept(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> tuple[int, list[str]]:
        catalogue, recorder = Catalogue(), Recorder(engine)
        for each in (resource("lost"), resource("here", version=11), resource("newer", version=30)):
            recorder.note(entry_of(each))
        await recorder.flush()
        catalogue.replace([entry_of(resource("here", version=11))], version=20)
        swept = await recorder.sweep(catalogue)
        found = await DatabaseArchive(engine).page(Query(), user_id=None, limit=9, after=None)
        return swept, sorted(each.resource_name for each in found)

    assert run_in(catalogue_url, work) == (1, ["here", "newer"])


def test_deleted_asset_answers_410_and_is_in_no_list(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    finish(webhook, asset_id, ready_status(asset_id))
    assert webhook.call("DELETE", f"{LIST}{asset_id}").status_code == 202
    remove(webhook, asset_id)
    assert webhook.call("GET", f"{LIST}{asset_id}").status_code == 410
    assert webhook.call("GET", LIST).json()["assets"] == []
    assert rows(catalogue_url, "SELECT status FROM media_assets") == [("deleted",)]


def test_failed_import_without_a_resource_can_be_deleted(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    finish(webhook, asset_id, failed_status("HTTP 404"))
    remove(webhook, asset_id)
    assert webhook.call("GET", f"{LIST}{asset_id}").json()["metadata"]["error"] == "HTTP 404"
    assert webhook.call("DELETE", f"{LIST}{asset_id}", token=BOB).status_code == 404
    assert webhook.call("DELETE", f"{LIST}{asset_id}").status_code == 202
    assert webhook.call("GET", f"{LIST}{asset_id}").status_code == 404
    assert webhook.call("GET", LIST).json()["assets"] == []


@pytest.mark.parametrize(
    "hostile", ["' OR '1'='1", "x'; DROP TABLE media_assets; --", "%", "\\", '"]', "\0", "\ufffd", "a" * 500, "é😀"]
)
def test_hostile_filter_is_only_a_text(start: Start, catalogue_url: str, hostile: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook, tags=["plain"])
    finish(webhook, asset_id, ready_status(asset_id))
    remove(webhook, asset_id)
    for name in ("tag", "job_id"):
        answer = webhook.call("GET", f"{LIST}?{name}={quote(hostile)}")
        assert (answer.status_code, answer.json()["assets"]) == (200, [])
    assert webhook.call("GET", f"{LIST}?tag=plain").json()["assets"] != []


def test_metadata_of_every_unicode_class_come_back(start: Start, catalogue_url: str) -> None:
    by_class: dict[str, Any] = {}
    for point in range(1, 0x110000):
        by_class.setdefault(unicodedata.category(chr(point)), chr(point))
    del by_class["Cs"]  # half a surrogate pair is refused before
    webhook = start(CATALOGUE_URL=catalogue_url)
    metadata = by_class | {"nul\0": ["a\0b", {"deep": 1.5}], "quotes": "'\"\\;--", "long": "é" * 2000}
    asset_id = start_import(webhook, metadata=metadata)
    finish(webhook, asset_id, ready_status(asset_id))
    remove(webhook, asset_id)
    shown = webhook.call("GET", f"{LIST}{asset_id}").json()["metadata"]
    expected = metadata | {"nul\ufffd": ["a\ufffdb", {"deep": 1.5}]}
    del expected["nul\0"]
    assert {name: shown[name] for name in expected} == expected


def test_integer_of_more_than_64_bits_is_written_with_all_its_digits(catalogue_url: str) -> None:
    """Next to a row without one: both are written by one statement."""

    async def work(engine: AsyncEngine) -> list[Any]:
        recorder = Recorder(engine)
        metadata = {"large": 2**70, "small": -(2**53)}
        wide = resource("a")
        recorder.note(entry_of(wide | {"spec": wide["spec"] | {"metadata": metadata}}))
        recorder.note(entry_of(resource("b")))
        await recorder.flush()
        found = await DatabaseArchive(engine).page(Query(), user_id=None, limit=9, after=None)
        kept: dict[str, Any] = {each.resource_name: each.json["metadata"] for each in found}
        return [kept["a"]["large"], kept["a"]["small"], recorder.refused, len(kept)]

    assert run_in(catalogue_url, work) == [2**70, -(2**53), 0, 2]


def test_key_of_another_asset_in_a_row_is_never_signed(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = start_import(webhook)
    finish(webhook, asset_id, ready_status(asset_id))
    remove(webhook, asset_id)

    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE media_assets SET s3_key = 'media/bob/secret/video.mp4'"))

    run_in(catalogue_url, work)
    assert webhook.call("GET", f"{LIST}{asset_id}").json()["url"] is None


def test_database_that_is_away_holds_up_no_import_and_is_written_when_it_is_back(
    start: Start, postgresql: Postgres
) -> None:
    url = postgresql.create_database()

    async def prepare(engine: AsyncEngine) -> None:
        await migrate(engine)

    run_in(url, prepare)
    webhook = start(CATALOGUE_URL=url)
    postgresql.stop()
    try:
        asset_id = start_import(webhook)
        webhook.until(lambda: webhook.sample("mediaimport_webhook_catalogue_failing") == 1)
        assert webhook.sample("mediaimport_webhook_catalogue_unrecorded") == 1
        assert webhook.call("GET", f"{LIST}{asset_id}").status_code == 200
        answer = webhook.call("GET", LIST)
        assert (answer.status_code, answer.json()["detail"][:24]) == (503, "The catalogue's database")
        assert webhook.call("GET", "/readyz").status_code == 200
    finally:
        postgresql.start()
    settle(webhook)
    assert webhook.sample("mediaimport_webhook_catalogue_failing") == 0
    assert rows(url, "SELECT status FROM media_assets") == [("uploading",)]
    assert webhook.call("GET", LIST).status_code == 200


def test_password_that_rotates_is_read_again_and_the_webhook_needs_no_more_than_the_table(
    postgresql: Postgres, tmp_path: Path
) -> None:
    owner = postgresql.create_database()
    database = owner.rpartition("/")[2]

    async def prepare(engine: AsyncEngine) -> None:
        await migrate(engine)

    run_in(owner, prepare)
    postgresql.query("CREATE ROLE reader LOGIN PASSWORD 'first'", url=owner)
    postgresql.query("GRANT SELECT, INSERT, UPDATE, DELETE ON media_assets TO reader", url=owner)
    file = tmp_path / "url"
    file.write_text(postgresql.url_of("reader", "first", database=database) + "\n")

    async def scene() -> list[str]:
        async with opened(CatalogueUrl(None, file)) as engine:
            archive, recorder = DatabaseArchive(engine), Recorder(engine)
            recorder.note(entry_of(resource()))
            await recorder.flush()
            postgresql.query("ALTER ROLE reader PASSWORD 'second'", url=owner)
            postgresql.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'", url=owner
            )
            with pytest.raises(DatabaseUnavailableError):
                await archive.find(ASSET_ID, user_id="alice")
            file.write_text(postgresql.url_of("reader", "second", database=database))
            found = await archive.find(ASSET_ID, user_id="alice")
            await recorder.sweep(Catalogue())
            assert found is not None
            return [found.status]

    assert asyncio.run(scene()) == ["uploading"]


def test_connection_that_the_server_has_ended_fails_no_read_and_no_write(postgresql: Postgres) -> None:
    url = postgresql.create_database()
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    def end_sessions() -> None:
        assert postgresql.query(f"SELECT count(pg_terminate_backend(pid)) {others}", url=url) == "1"

    async def work(engine: AsyncEngine) -> list[str]:
        await migrate(engine)
        archive, recorder = DatabaseArchive(engine), Recorder(engine)
        end_sessions()
        recorder.note(entry_of(resource()))
        await recorder.flush()
        end_sessions()
        found = await archive.find(ASSET_ID, user_id="alice")
        assert found is not None
        end_sessions()
        await archive.remove(found)
        return [each.status for each in await archive.page(Query(), user_id=None, limit=9, after=None)]

    assert run_in(url, work) == []


def test_wrong_row_holds_up_no_other(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> tuple[int, int, list[str]]:
        recorder = Recorder(engine)
        for each in (resource("a"), resource("b", version=10**30), resource("c", version=12)):
            recorder.note(entry_of(each))
        await recorder.flush()
        found = await DatabaseArchive(engine).page(Query(), user_id=None, limit=9, after=None)
        return recorder.refused, recorder.unrecorded, sorted(each.resource_name for each in found)

    assert run_in(catalogue_url, work) == (1, 0, ["a", "c"])


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    line = (sys.executable, "-m", "mediaimport_webhook", *arguments)
    return subprocess.run(line, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=120)


def test_command_migrates_and_says_why_it_cannot_without_the_password(postgresql: Postgres, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(postgresql.create_database() + "\n")
    done = command("migrate", CATALOGUE_URL_FILE=str(file))
    assert (done.returncode, rows(file.read_text().strip(), "SELECT count(*) FROM media_assets")) == (0, [(0,)])
    unset = command("migrate")
    assert (unset.returncode, "CATALOGUE_URL" in unset.stderr) == (2, True)
    for wrong in ("mysql://u:hush-hush@h/d", "postgresql://u:hush-hush@127.0.0.1:1/d", "://hush-hush"):
        file.write_text(wrong)
        failed = command("migrate", CATALOGUE_URL_FILE=str(file))
        assert (failed.returncode, "hush-hush" in failed.stdout + failed.stderr) == (1, False)
        assert "catalogue's" in failed.stdout + failed.stderr
        assert "Traceback" not in failed.stderr


def test_database_without_a_schema_says_so_and_loses_nothing(tmp_path: Path) -> None:
    async def work(engine: AsyncEngine) -> int:
        recorder = Recorder(engine)
        recorder.note(entry_of(resource()))
        with pytest.raises(DatabaseUnavailableError):
            await recorder.flush()
        return recorder.unrecorded

    assert run_in(f"sqlite:///{tmp_path / 'empty.db'}", work) == 1
