"""Quota of bytes per user: it refuses requests, and keeps what a generator made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.webhook import BOB, ROOT, migrated
from tests.unit.webhook.catalogue.test_database import LIST, failed_status, finish, remove, settle, start_import
from tests.unit.webhook.routes.test_media import finish as finish_without_database
from tests.unit.webhook.routes.test_uploads import begun, complete, put
from tests.unit.webhook.routes.test_usage import IMPORT, URL, USAGE, slug, status, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.postgres import Postgres
    from tests.support.webhook import Make, RunningWebhook, Start

BATCH = "/api/v1/media/import-from-urls"
GENERATE = "/api/v1/replicate/wan-video-t2v"


@pytest.fixture(params=["cache", "sqlite", "postgresql"])
def webhook(request: pytest.FixtureRequest, start: Start, make_catalogue_url: Callable[[str], str]) -> RunningWebhook:
    """Return a webhook with a quota of 100 bytes, without and with a database."""
    url = None if request.param == "cache" else make_catalogue_url(request.param)
    return start(CATALOGUE_URL=url, QUOTA_BYTES_PER_USER="100")


def test_full_user_is_refused_with_the_figures_until_something_is_deleted(webhook: RunningWebhook) -> None:
    asset_id = store(webhook, size_bytes=100)
    requests = [
        (IMPORT, {"url": URL}),
        ("/api/v1/media/uploads", {"size_bytes": 1}),
        (GENERATE, {"prompt": "a rabbit"}),
    ]
    for path, body in requests:
        answer = webhook.call("POST", path, json=body)
        assert slug(answer) == (403, "quota-exceeded"), path
        assert "100 bytes stored, of at most 100" in answer.json()["detail"]
        assert webhook.call("POST", path, token=BOB, json=body).status_code in {201, 202}
    batch = webhook.call("POST", BATCH, json={"imports": [{"url": URL}]}).json()["imports"]
    assert [(each["status"], each["accepted"]) for each in batch] == [(403, None)]
    assert len(webhook.replicate.predictions) == 1
    webhook.call("DELETE", LIST + asset_id)
    if webhook.database is not None:
        settle(webhook)
    assert webhook.call("POST", IMPORT, json={"url": URL}).status_code == 202


def test_announced_size_that_does_not_fit_is_refused(webhook: RunningWebhook) -> None:
    store(webhook, size_bytes=60)
    for path, body in (
        (IMPORT, {"url": URL, "expected": {"size_bytes": 41}}),
        ("/api/v1/media/uploads", {"size_bytes": 41}),
    ):
        answer = webhook.call("POST", path, json=body)
        assert slug(answer) == (403, "quota-exceeded"), path
        assert "60 bytes stored, of at most 100; this import has 41" in answer.json()["detail"]
    assert webhook.call("POST", "/api/v1/media/uploads", json={"size_bytes": 40}).status_code == 201


def test_announced_sizes_of_one_batch_are_counted_together(webhook: RunningWebhook) -> None:
    sized = [{"url": URL, "expected": {"size_bytes": 40}} for _ in range(4)]
    answers = webhook.call("POST", BATCH, json={"imports": sized}).json()["imports"]
    assert sorted(each["status"] for each in answers) == [202, 202, 403, 403]


def test_bytes_under_way_count_as_far_as_they_are_known(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    progress = {"step": "download", "percent": 1, "bytesDone": 1, "bytesTotal": 100}
    finish_without_database(webhook, asset_id, {"phase": "Importing", "progress": progress})
    answer = webhook.call("POST", IMPORT, json={"url": URL})
    assert slug(answer) == (403, "quota-exceeded")
    assert "0 bytes stored and 100 under way" in answer.json()["detail"]


def test_repeated_request_of_a_full_user_is_answered_by_its_import(webhook: RunningWebhook) -> None:
    key = {"Idempotency-Key": "k1"}
    first = webhook.call("POST", IMPORT, json={"url": URL}, headers=key)
    finish_without_database(webhook, first.json()["asset_id"], status(first.json()["asset_id"], size_bytes=100))
    if webhook.database is not None:
        settle(webhook)
    again = webhook.call("POST", IMPORT, json={"url": URL}, headers=key)
    assert (again.status_code, again.json()["asset_id"]) == (202, first.json()["asset_id"])
    other = webhook.call("POST", IMPORT, json={"url": URL}, headers={"Idempotency-Key": "k2"})
    assert slug(other) == (403, "quota-exceeded")


def test_key_of_a_generation_that_the_quota_refused_is_given_back(webhook: RunningWebhook) -> None:
    asset_id = store(webhook, size_bytes=100)
    key, body = {"Idempotency-Key": "g1"}, {"prompt": "a rabbit"}
    assert slug(webhook.call("POST", GENERATE, json=body, headers=key)) == (403, "quota-exceeded")
    webhook.call("DELETE", LIST + asset_id)
    if webhook.database is not None:
        settle(webhook)
    assert webhook.call("POST", GENERATE, json=body, headers=key).status_code == 202


def test_callback_of_a_full_user_is_kept_and_counted(webhook: RunningWebhook, prediction: Make) -> None:
    assert webhook.call("POST", GENERATE, json={"prompt": "a"}).status_code == 202
    store(webhook, size_bytes=100)
    path = webhook.replicate.callback_path()
    for _ in range(2):
        answer = webhook.callback(prediction(), path=path)
        assert (answer.status_code, answer.json()["status"]) == (200, "imported")
    asset_id = answer.json()["assets"][0]["asset_id"]
    assert webhook.call("GET", LIST + asset_id).status_code == 200
    assert webhook.sample("mediaimport_webhook_imports_over_quota_total", origin="replicate") == 1


def test_callback_of_a_user_with_room_is_no_excess(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json={"prompt": "a"})
    webhook.callback(prediction(), path=webhook.replicate.callback_path())
    assert webhook.sample("mediaimport_webhook_imports_over_quota_total", origin="replicate") is None


def test_without_a_quota_nobody_is_refused(start: Start) -> None:
    webhook = start()
    store(webhook, size_bytes=10**12)
    assert webhook.call("GET", USAGE).json()["quota_bytes"] is None
    assert webhook.call("POST", IMPORT, json={"url": URL}).status_code == 202


def test_upload_that_fitted_when_it_began_is_refused_once_it_does_not(webhook: RunningWebhook) -> None:
    uploads = [begun(webhook), begun(webhook)]
    for each in uploads:
        put(webhook, each)
    assert complete(webhook, uploads[0]).status_code == 202
    finish_without_database(webhook, uploads[0], status(uploads[0], size_bytes=90))
    if webhook.database is not None:
        settle(webhook)
    assert slug(complete(webhook, uploads[1])) == (403, "quota-exceeded")
    assert complete(webhook, uploads[0]).status_code == 202


def test_usage_shows_the_quota_of_a_user_and_none_of_everybody(webhook: RunningWebhook) -> None:
    assert webhook.call("GET", USAGE).json()["quota_bytes"] == 100
    assert webhook.call("GET", USAGE, token=ROOT).json()["quota_bytes"] is None
    assert webhook.call("GET", f"{USAGE}?user=alice", token=ROOT).json()["quota_bytes"] == 100


def test_failed_import_of_a_full_user_is_run_again(webhook: RunningWebhook) -> None:
    broken = start_import(webhook)
    finish_without_database(webhook, broken, failed_status("HTTP 404"))
    store(webhook, size_bytes=100)
    assert webhook.call("POST", f"{LIST}{broken}/retry").status_code == 202


def test_asset_whose_resource_is_gone_counts_with_a_database(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url, QUOTA_BYTES_PER_USER="100")
    asset_id = start_import(webhook)
    finish(webhook, asset_id, status(asset_id, size_bytes=100))
    remove(webhook, asset_id)
    assert webhook.call("GET", USAGE).json()["total"] == {"assets": 1, "bytes": 100}
    assert slug(webhook.call("POST", IMPORT, json={"url": URL})) == (403, "quota-exceeded")


def test_database_that_is_away_keeps_nobody_from_importing(start: Start, postgresql: Postgres) -> None:
    url = postgresql.create_database()
    asyncio.run(migrated(url))
    webhook = start(CATALOGUE_URL=url, QUOTA_BYTES_PER_USER="100")
    gone = store(webhook, size_bytes=99)
    store(webhook, size_bytes=1)
    assert slug(webhook.call("POST", IMPORT, json={"url": URL})) == (403, "quota-exceeded")
    remove(webhook, gone)
    assert slug(webhook.call("POST", IMPORT, json={"url": URL})) == (403, "quota-exceeded")
    postgresql.stop()
    try:
        assert slug(webhook.call("GET", USAGE)) == (503, "unavailable")
        assert webhook.call("POST", IMPORT, json={"url": URL}).status_code == 202
        refused = webhook.call("POST", IMPORT, json={"url": URL, "expected": {"size_bytes": 100}})
        assert slug(refused) == (403, "quota-exceeded")
    finally:
        postgresql.start()
    assert slug(webhook.call("POST", IMPORT, json={"url": URL})) == (403, "quota-exceeded")
