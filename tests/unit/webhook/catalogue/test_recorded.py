"""Imports that have ended and are recorded: the cache keeps them in short, and every read shows them as before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import ANNOTATION_RECORDED
from mediaimport_webhook.catalogue.database import Recorder, opened
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.settings import CatalogueUrl
from sqlalchemy import text

from tests.support.webhook import ASSET_ID, ROOT
from tests.unit.webhook.catalogue.test_database import (
    LIST,
    failed_status,
    ready_status,
    resource,
    resource_of,
    rows,
    run_in,
    settle,
    start_import,
)
from tests.unit.webhook.catalogue.test_unseen import KEYS, TOMBSTONE

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.webhook import Make, RunningWebhook, Start

END = "2026-01-01T00:02:00Z"
LATER = "2026-01-01T00:09:00Z"
FAILED = failed_status("HTTP 404") | {"completedAt": END}
JOB = "/api/v1/replicate/predictions/pred1"


def kept(webhook: RunningWebhook) -> tuple[float | None, float | None]:
    """Return the number of imports in the cache, and of those that it keeps whole."""
    return webhook.sample("mediaimport_webhook_cache_resources"), webhook.sample("mediaimport_webhook_cache_entries")


def marked(item: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """Return an import as it is once it has ended, and a webhook has marked it."""
    notes = item["metadata"].get("annotations", {}) | {ANNOTATION_RECORDED: status["completedAt"]}
    return item | {"metadata": item["metadata"] | {"annotations": notes}, "status": status}


def end(webhook: RunningWebhook, asset_id: str, status: dict[str, Any]) -> None:
    """End an import, and wait until it is recorded."""
    whole = kept(webhook)[1] or 0
    webhook.run(webhook.cluster.write(marked(resource_of(webhook, asset_id), status)))
    webhook.until(lambda: kept(webhook)[1] == whole - 1)


def hide(url: str, *, name: str = "media_assets", to: str = "away") -> None:
    """Take the table away: the database then refuses all that is asked of it."""

    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {name} RENAME TO {to}"))

    run_in(url, work)


@pytest.fixture
def webhook(start: Start, catalogue_url: str) -> RunningWebhook:
    return start(CATALOGUE_URL=catalogue_url)


@pytest.fixture
def ended(webhook: RunningWebhook) -> str:
    """Return a failed import that is recorded."""
    asset_id = start_import(webhook, name="red car", tags=["x"], metadata={"scene": 4})
    end(webhook, asset_id, FAILED)
    assert kept(webhook) == (1, 0)
    return asset_id


def test_reads_are_the_same_before_and_after_and_ask_neither_cluster_nor_store(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook, name="red car", tags=["x"], metadata={"scene": 4, "width": "mine"})
    settle(webhook)
    assert webhook.database is not None
    webhook.run(webhook.database.recorder.pending.writing.acquire())
    webhook.run(webhook.cluster.write(marked(resource_of(webhook, asset_id), ready_status(asset_id))))
    webhook.until(lambda: webhook.call("GET", LIST + asset_id).json()["status"] == "ready")
    paths = (LIST + asset_id, LIST, f"{LIST}?tag=x&status=ready")
    before = [webhook.call("GET", each) for each in paths]
    assert kept(webhook) == (1, 1)
    webhook.database.recorder.pending.writing.release()
    webhook.until(lambda: kept(webhook) == (1, 0))
    webhook.cluster.calls.clear()
    after = [webhook.call("GET", each) for each in paths]
    assert [each.json() for each in after] == [each.json() for each in before]
    # PostgreSQL has another order of the fields, so the tag may have changed once.
    unchanged = [
        webhook.call("GET", path, headers={"If-None-Match": each.headers["ETag"]}).status_code
        for path, each in zip(paths, after, strict=True)
    ]
    assert unchanged == [304] * 3
    assert webhook.call("GET", f"{LIST}?q=car").json()["assets"][0]["id"] == asset_id
    assert (webhook.cluster.calls, webhook.sidecars.reads) == ([], [])


def test_webhook_that_starts_keeps_recorded_imports_in_short_and_writes_them_no_more(
    start: Start, catalogue_url: str, webhook: RunningWebhook
) -> None:
    webhook.cluster.page_size = 2
    made = [start_import(webhook, name=f"film {number}") for number in range(5)]
    for each in made[:4]:
        end(webhook, each, ready_status(each))
    second = start(replica_of=webhook, CATALOGUE_URL=catalogue_url)
    second.until(lambda: second.sample("mediaimport_webhook_catalogue_unrecorded") == 0)
    assert (kept(second), second.sample("mediaimport_webhook_catalogue_rows_written")) == ((5, 1), 1)
    assert [each["id"] for each in second.call("GET", LIST).json()["assets"]] == made[::-1]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM media_assets",
        "UPDATE media_assets SET resource_gone = true",
        "UPDATE media_assets SET resource_uid = 'other', created_at = '2025-01-01 00:00:00+00'",
        "UPDATE media_assets SET status = 'uploading', resource_version = 1",
    ],
)
def test_row_that_is_lost_or_not_of_that_end_is_written_by_the_next_start(
    start: Start, catalogue_url: str, webhook: RunningWebhook, ended: str, change: str
) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(change))

    run_in(catalogue_url, work)
    second = start(replica_of=webhook, CATALOGUE_URL=catalogue_url)
    second.until(lambda: kept(second) == (1, 0))
    assert second.sample("mediaimport_webhook_catalogue_rows_written") == 1
    assert second.call("GET", LIST + ended).json()["status"] == "failed"


def test_start_without_a_database_keeps_all_whole_until_it_is_back(
    start: Start, catalogue_url: str, webhook: RunningWebhook, ended: str
) -> None:
    hide(catalogue_url)
    second = start(replica_of=webhook, CATALOGUE_URL=catalogue_url)
    assert (kept(second), second.call("GET", LIST + ended).json()["status"]) == ((1, 1), "failed")
    hide(catalogue_url, name="away", to="media_assets")
    second.until(lambda: kept(second) == (1, 0))


def test_while_the_database_is_away_recorded_imports_are_read_from_the_cluster(
    webhook: RunningWebhook, catalogue_url: str, ended: str
) -> None:
    resource_of(webhook, ended)["metadata"]["labels"].clear()  # an import by kubectl has none
    hide(catalogue_url)
    try:
        assert webhook.call("GET", LIST + ended).json()["metadata"]["error"] == "HTTP 404"
        unknown = webhook.call("GET", LIST + ASSET_ID)
        assert (unknown.status_code, "Retry-After" in unknown.headers) == (503, True)
        assert [webhook.call("GET", each).status_code for each in (LIST, "/api/v1/stats")] == [503, 503]
        assert webhook.call("GET", "/api/v1/operations").status_code == 503
        assert webhook.call("POST", f"{LIST}{ended}/retry").status_code == 202
        webhook.until(lambda: webhook.call("GET", LIST + ended).json()["status"] == "uploading")
        webhook.cluster.down = True
        assert webhook.call("GET", LIST + ASSET_ID).status_code == 503
    finally:
        webhook.cluster.down = False
        hide(catalogue_url, name="away", to="media_assets")


def test_import_that_runs_again_is_whole_again_until_its_next_end(webhook: RunningWebhook, ended: str) -> None:
    assert webhook.call("POST", f"{LIST}{ended}/retry").status_code == 202
    assert kept(webhook) == (1, 1)
    listed = [webhook.call("GET", f"{LIST}?status={each}").json()["assets"] for each in ("failed", "uploading")]
    assert [len(each) for each in listed] == [0, 1]
    run = resource_of(webhook, ended)["spec"]["run"]
    end(webhook, ended, ready_status(ended) | {"completedAt": LATER, "run": run})
    assert kept(webhook) == (1, 0)
    assert webhook.call("GET", LIST + ended).json()["status"] == "ready"


def test_resource_that_goes_leaves_its_row_and_a_deleted_asset_answers_410(
    webhook: RunningWebhook, catalogue_url: str, ended: str
) -> None:
    other = start_import(webhook)
    end(webhook, other, ready_status(other))
    webhook.run(webhook.cluster.remove(resource_of(webhook, ended)["metadata"]["name"]))
    webhook.until(lambda: kept(webhook) == (1, 0))
    assert webhook.call("DELETE", LIST + other).status_code == 202
    assert webhook.call("GET", LIST + other).status_code == 410
    webhook.run(webhook.cluster.remove(resource_of(webhook, other)["metadata"]["name"]))
    webhook.until(lambda: kept(webhook) == (0, 0))
    settle(webhook)
    assert webhook.call("GET", LIST + other).status_code == 410
    assert [each["id"] for each in webhook.call("GET", LIST).json()["assets"]] == [ended]
    found = rows(catalogue_url, "SELECT status FROM media_assets WHERE resource_gone ORDER BY status")
    assert found == [("deleted",), ("failed",)]


def test_recorded_import_that_a_list_lacks_is_looked_for_in_the_store_at_once(webhook: RunningWebhook) -> None:
    item = resource("a") | {"status": ready_status(ASSET_ID)}
    webhook.run(webhook.cluster.write(marked(item, item["status"])))
    webhook.until(lambda: kept(webhook) == (1, 0))
    webhook.sidecars.held[KEYS.sidecar] = TOMBSTONE
    del webhook.cluster.imports["a"]
    webhook.run(webhook.cluster.cut())
    webhook.until(lambda: webhook.call("GET", LIST + ASSET_ID).status_code == 410)


def test_older_of_two_imports_of_an_asset_is_shown_though_it_is_recorded(webhook: RunningWebhook) -> None:
    old = marked(resource("old", second=1), ready_status(ASSET_ID))
    webhook.run(webhook.cluster.write(old))
    webhook.until(lambda: kept(webhook) == (1, 0))
    webhook.run(webhook.cluster.write(resource("young", second=2)))
    webhook.until(lambda: kept(webhook) == (2, 1))
    assert webhook.call("GET", LIST + ASSET_ID).json()["import_job_id"] == "old"
    assert [each["import_job_id"] for each in webhook.call("GET", LIST).json()["assets"]] == ["young", "old"]


def test_prediction_shows_recorded_outputs_and_waits_for_those_that_have_not_come(
    webhook: RunningWebhook, catalogue_url: str, prediction: Make
) -> None:
    webhook.cluster.minute = f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    outputs = [f"https://replicate.delivery/xezq/{number}/output.mp4" for number in range(3)]
    webhook.cluster.creations_left = 2
    path = webhook.replicate.callback_path()
    assert webhook.callback(prediction(output=outputs), path=path).status_code == 503
    made = [each["assetId"] for each in webhook.specs()]
    webhook.until(lambda: kept(webhook) == (2, 2))
    for each in made:
        end(webhook, each, ready_status(each))

    def job() -> tuple[object, ...]:
        answer = webhook.call("GET", JOB).json()
        return answer["status"], answer["provider_status"], answer["outputs_expected"], len(answer["assets"])

    assert job() == ("uploading", "succeeded", 3, 2)
    webhook.cluster.creations_left = -1
    assert webhook.callback(prediction(output=outputs), path=path).status_code == 200
    (last,) = {each["assetId"] for each in webhook.specs()} - set(made)
    end(webhook, last, ready_status(last))
    assert job() == ("ready", "succeeded", 3, 3)
    hide(catalogue_url)
    assert job() == ("ready", "succeeded", 3, 3)
    hide(catalogue_url, name="away", to="media_assets")
    assert webhook.callback(prediction(output=outputs), path=path).json()["status"] == "imported"
    assert kept(webhook) == (3, 0)


def test_operations_and_quota_count_recorded_imports(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url, QUOTA_BYTES_PER_USER="10")
    failed = [start_import(webhook, name=f"film {number}") for number in range(3)]
    for each in failed:
        end(webhook, each, FAILED)
    webhook.run(webhook.cluster.write(resource_of(webhook, start_import(webhook)) | {"status": failed_status("x")}))
    webhook.until(lambda: webhook.call("GET", "/api/v1/operations", token=ROOT).json()["failed"][0]["count"] == 4)
    (group,) = webhook.call("GET", "/api/v1/operations").json()["failed"]
    assert group["newest"]["id"] not in failed
    stored = start_import(webhook)
    end(webhook, stored, ready_status(stored))  # of 10 bytes
    hide(catalogue_url)
    answer = webhook.call("POST", "/api/v1/media/import-from-url", json={"url": "https://example.com/a.mp4"})
    hide(catalogue_url, name="away", to="media_assets")
    assert answer.status_code == 403


def test_newest_of_recorded_failures_is_shown_by_name(webhook: RunningWebhook, ended: str) -> None:
    (group,) = webhook.call("GET", "/api/v1/operations").json()["failed"]
    assert (group["count"], group["newest"]["id"], group["newest"]["name"]) == (1, ended, "red car")


def test_row_that_the_database_refuses_keeps_its_import_whole(catalogue_url: str) -> None:
    async def work(engine: AsyncEngine) -> tuple[int, int]:
        recorder = Recorder(engine)
        catalogue = Catalogue(on_changed=recorder.note, is_recorded=recorder.is_recorded)
        recorder.on_written = catalogue.release
        status = ready_status(ASSET_ID)
        catalogue.observe(marked(resource("fine"), status))
        catalogue.observe(marked(resource("wrong", version=10**30), status))
        before = catalogue.entries
        await recorder.flush()
        return before, catalogue.entries

    assert run_in(catalogue_url, work) == (2, 1)


def test_import_without_a_mark_of_its_run_stays_whole(catalogue_url: str) -> None:
    async def scene() -> int:
        async with opened(CatalogueUrl(catalogue_url, None)) as engine:
            recorder = Recorder(engine)
            catalogue = Catalogue(on_changed=recorder.note, is_recorded=recorder.is_recorded)
            recorder.on_written = catalogue.release
            status = ready_status(ASSET_ID)
            catalogue.observe(resource("unmarked") | {"status": status})
            item = marked(resource("another-run", version=11), status)
            catalogue.observe(item | {"status": status | {"completedAt": LATER}})
            catalogue.observe(resource("unfinished", version=12))
            catalogue.observe(marked(resource("marked", version=13), status))
            await recorder.flush()
            assert await recorder.learn([entry_of(item)])
            return catalogue.entries

    assert asyncio.run(scene()) == 3


def test_delivery_to_an_endpoint_is_listed_though_its_import_is_recorded(
    start: Start, catalogue_url: str, tmp_path: Path
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "current").write_text("m" * 32)
    webhook = start(CATALOGUE_URL=catalogue_url, USER_ENDPOINTS_KEYS_DIRECTORY=str(tmp_path / "keys"))
    made = webhook.call("POST", "/api/v1/webhooks", json={"url": "https://hooks.example.com/"}).json()["id"]
    delivered = {"endpoint": made, "outcome": "Delivered", "at": END, "httpStatus": 204}
    notification = {"event": "Ready", "at": END, "deliveries": [delivered]}
    for user in ("alice", "bob"):
        asset_id = start_import(webhook, name=user)
        webhook.cluster.imports[resource_of(webhook, asset_id)["metadata"]["name"]]["spec"]["userId"] = user
        end(webhook, asset_id, ready_status(asset_id) | {"notification": notification})
    (found,) = webhook.call("GET", f"/api/v1/webhooks/{made}/deliveries").json()["deliveries"]
    assert (found["outcome"], found["http_status"]) == ("delivered", 204)
