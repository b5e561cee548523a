"""Usage: sums by month and duplicates, from the cache and from both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.webhook import ALICE, BOB, ROOT
from tests.unit.webhook.catalogue.test_database import (
    LIST,
    failed_status,
    finish,
    ready_status,
    remove,
    resource_of,
    settle,
    start_import,
)
from tests.unit.webhook.routes.test_media import finish as finish_without_database

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.support.webhook import RunningWebhook, Start

URL = "https://example.com/video.mp4"
IMPORT = "/api/v1/media/import-from-url"
USAGE = "/api/v1/usage"
NOTHING = {"assets": 0, "bytes": 0}


def status(asset_id: str, *, size_bytes: int = 10, digest: str = "0" * 64, user: str = "alice") -> dict[str, Any]:
    """Return the status of a stored asset of that size."""
    ready = ready_status(asset_id)
    ready["asset"] |= {"sizeBytes": size_bytes, "sha256": digest, "key": f"media/{user}/{asset_id}/video.mp4"}
    return ready


def slug(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


@pytest.fixture(params=["cache", "sqlite", "postgresql"])
def webhook(request: pytest.FixtureRequest, start: Start, make_catalogue_url: Callable[[str], str]) -> RunningWebhook:
    """Return a webhook without and with a database."""
    url = None if request.param == "cache" else make_catalogue_url(request.param)
    return start(CATALOGUE_URL=url)


def store(webhook: RunningWebhook, *, token: str = ALICE, minute: str = "2026-01-01T00:00", **about: Any) -> str:  # noqa: ANN401 - of the status
    """Import an asset that ends well."""
    webhook.cluster.minute = minute
    answer = webhook.call("POST", IMPORT, token=token, json={"url": URL})
    asset_id: str = answer.json()["asset_id"]
    written = resource_of(webhook, asset_id) | {"status": status(asset_id, **about)}
    webhook.run(webhook.cluster.write(written))
    webhook.until(lambda: webhook.call("GET", LIST + asset_id, token=ROOT).json()["status"] == "ready")
    if webhook.database is not None:
        settle(webhook)
    return asset_id


def test_usage_has_months_and_duplicates_of_the_caller_alone(webhook: RunningWebhook) -> None:
    assert webhook.call("GET", USAGE).json() == {
        "user": "alice", "total": NOTHING, "quota_bytes": None, "months": [], "duplicates": NOTHING
    }  # fmt: skip
    for minute, size_bytes, digest in (
        ("2025-12-31T23:59", 30, "a"), ("2026-01-01T00:00", 30, "a"), ("2026-01-31T12:00", 5, "b"),
        ("2026-03-01T00:00", 5, "b"), ("2026-03-02T00:00", 5, "b"),
    ):  # fmt: skip
        store(webhook, minute=minute, size_bytes=size_bytes, digest=digest * 64)
    store(webhook, token=BOB, user="bob", size_bytes=30, digest="a" * 64)
    start_import(webhook)
    if webhook.database is not None:
        settle(webhook)
    alice = webhook.call("GET", USAGE).json()
    assert alice == {
        "user": "alice",
        "total": {"assets": 5, "bytes": 75},
        "quota_bytes": None,
        "months": [
            {"month": "2025-12", "assets": 1, "bytes": 30},
            {"month": "2026-01", "assets": 2, "bytes": 35},
            {"month": "2026-03", "assets": 2, "bytes": 10},
        ],
        "duplicates": {"assets": 3, "bytes": 40},
    }
    assert webhook.call("GET", f"{USAGE}?user=alice", token=BOB).json()["user"] == "bob"
    assert webhook.call("GET", USAGE, token=BOB).json()["total"] == {"assets": 1, "bytes": 30}
    assert webhook.call("GET", f"{USAGE}?user=alice", token=ROOT).json() == alice
    everybody = webhook.call("GET", USAGE, token=ROOT).json()
    assert (everybody["user"], everybody["total"]) == (None, {"assets": 6, "bytes": 105})
    assert everybody["duplicates"] == {"assets": 4, "bytes": 70}


@pytest.mark.parametrize("user", ["'; DROP TABLE media_assets; --", "\x00", "%", "", "a" * 5000, "é\U0001f469"])
def test_user_of_any_name_has_used_nothing(webhook: RunningWebhook, user: str) -> None:
    store(webhook)
    answer = webhook.call("GET", USAGE, token=ROOT, params={"user": user})
    assert (answer.status_code, answer.json()["total"]) == (200, NOTHING)
    assert webhook.call("GET", USAGE).json()["total"]["assets"] == 1


def test_wrong_parameter_is_422_and_no_token_is_401(webhook: RunningWebhook) -> None:
    for query in ("user_id=alice", "user=alice&user=bob"):
        assert slug(webhook.call("GET", f"{USAGE}?{query}", token=ROOT)) == (422, "invalid-field")
    assert webhook.call("GET", USAGE, token=None).status_code == 401


def test_deleted_and_failed_assets_use_nothing(webhook: RunningWebhook) -> None:
    asset_id = store(webhook, size_bytes=60)
    broken = start_import(webhook)
    finish_without_database(webhook, broken, failed_status("HTTP 404"))
    assert webhook.call("DELETE", LIST + asset_id).status_code == 202
    if webhook.database is not None:
        settle(webhook)
    assert webhook.call("GET", USAGE).json()["total"] == NOTHING


def test_asset_whose_resource_is_gone_counts_with_a_database(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    ids = [start_import(webhook), start_import(webhook)]
    for each in ids:
        finish(webhook, each, status(each, size_bytes=100))
        remove(webhook, each)
    answer = webhook.call("GET", USAGE).json()
    assert (answer["total"], answer["duplicates"]) == ({"assets": 2, "bytes": 200}, {"assets": 1, "bytes": 100})
