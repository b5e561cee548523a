"""Statistics and jobs: they count assets whose resource is gone, as the database knows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.database import DatabaseArchive, Recorder
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.totals import totals_of

from tests.support.webhook import BOB, ROOT, migrated
from tests.unit.webhook.catalogue.test_database import (
    failed_status,
    finish,
    ready_status,
    remove,
    resource,
    run_in,
    start_import,
)

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue.totals import Total
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.postgres import Postgres
    from tests.support.webhook import Make, RunningWebhook, Start

STATS = "/api/v1/stats"
JOB = "/api/v1/replicate/predictions/pred1"
OUTPUTS = [f"https://replicate.delivery/{name}.mp4" for name in "abc"]


def kinds(totals: list[Total]) -> dict[tuple[str, str, str | None], tuple[int, int]]:
    return {(each.month, each.status, each.file_type): (each.count, each.size_bytes) for each in totals}


def finished(webhook: RunningWebhook) -> list[str]:
    """Import three, of which one becomes ready and one fails; return the ids."""
    ids = [start_import(webhook) for _ in range(3)]
    finish(webhook, ids[0], ready_status(ids[0]))
    finish(webhook, ids[1], failed_status("HTTP 404"))
    return ids


def test_database_and_cache_have_the_same_totals(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    finished(webhook)
    assert webhook.database is not None
    recorded = webhook.run(webhook.database.archive.totals("alice"))
    assert kinds(recorded) == kinds(totals_of(map(entry_of, webhook.cluster.imports.values())))
    assert sorted(each.status for each in recorded) == ["failed", "ready", "uploading"]
    assert webhook.run(webhook.database.archive.totals("bob")) == []


def test_month_is_that_of_the_creation_in_utc(catalogue_url: str) -> None:
    times = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z"]
    resources = [resource(name) for name in "abc"]
    for each, time in zip(resources, times, strict=True):
        each["metadata"]["creationTimestamp"] = time

    async def work(engine: AsyncEngine) -> list[Total]:
        recorder = Recorder(engine)
        for each in resources:
            recorder.note(entry_of(each))
        await recorder.flush()
        return await DatabaseArchive(engine).totals(None)

    recorded = run_in(catalogue_url, work)
    assert {each.month: each.count for each in recorded} == {"2025-12": 1, "2026-01": 2}
    assert kinds(recorded) == kinds(totals_of(map(entry_of, resources)))


def test_statistics_count_assets_whose_resource_is_gone(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    ids = finished(webhook)
    before = webhook.call("GET", STATS).json()
    assert before["by_status"] == {"uploading": 1, "ready": 1, "failed": 1}
    assert before["stored_bytes"] > 0
    for each in ids[:2]:
        remove(webhook, each)
    assert webhook.call("GET", STATS).json() == before
    assert [each["error"] for each in before["recent_failures"]] == ["HTTP 404"]
    assert webhook.call("GET", STATS, token=ROOT).json() == before
    assert webhook.call("GET", STATS, token=BOB).json()["total"] == 0


def test_deleted_asset_is_in_no_statistics(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    asset_id = finished(webhook)[0]
    webhook.call("DELETE", f"/api/v1/media/{asset_id}")
    remove(webhook, asset_id)
    assert webhook.call("GET", STATS).json()["by_status"] == {"uploading": 1, "ready": 0, "failed": 1}


def started_job(start: Start, url: str, body: dict[str, object]) -> RunningWebhook:
    """Return a webhook of which alice has started a prediction whose outputs are all ready."""
    webhook = start(CATALOGUE_URL=url)
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    assert webhook.callback(body, path=webhook.replicate.callback_path()).status_code == 200
    for each in list(webhook.cluster.imports.values()):
        finish(webhook, each["spec"]["assetId"], ready_status(each["spec"]["assetId"]))
    return webhook


def test_job_has_its_assets_when_their_resources_are_gone(start: Start, catalogue_url: str, prediction: Make) -> None:
    webhook = started_job(start, catalogue_url, prediction(output=OUTPUTS))
    ids = [each["id"] for each in webhook.call("GET", JOB).json()["assets"]]
    assert len(ids) == len(OUTPUTS)
    for number, each in enumerate(ids):
        remove(webhook, each)
        answer = webhook.call("GET", JOB).json()
        assert (answer["status"], len(answer["assets"])) == ("ready", len(OUTPUTS)), number
    assert webhook.call("GET", JOB, token=BOB).status_code == 404


def test_database_that_is_away_holds_up_the_statistics_and_no_job(
    start: Start, postgresql: Postgres, prediction: Make
) -> None:
    url = postgresql.create_database()
    asyncio.run(migrated(url))
    webhook = started_job(start, url, prediction(output=OUTPUTS))
    remove(webhook, webhook.call("GET", JOB).json()["assets"][0]["id"])
    postgresql.stop()
    try:
        assert webhook.call("GET", STATS).status_code == 503
        assert webhook.call("GET", "/api/v1/usage").status_code == 503
        assert len(webhook.call("GET", JOB).json()["assets"]) == len(OUTPUTS) - 1
    finally:
        postgresql.start()
    assert len(webhook.call("GET", JOB).json()["assets"]) == len(OUTPUTS)
