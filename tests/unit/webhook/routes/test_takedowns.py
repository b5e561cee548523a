"""Takedown of a prediction's assets: by their owner, by an admin, and by nobody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys

from tests.support.webhook import ALICE, ASSET_ID, BOB, ROOT, migrated, sidecar_of
from tests.unit.webhook.catalogue.test_database import LIST, finish, ready_status, remove, resource_of, settle
from tests.unit.webhook.catalogue.test_database import failed_status as failed
from tests.unit.webhook.routes.test_usage import slug, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.postgres import Postgres
    from tests.support.webhook import Make, RunningWebhook, Start

MEDIA = "/api/v1/predictions/pred1/media"
URL = "https://example.com/video.mp4"
OUTPUTS = [f"https://replicate.delivery/{name}.mp4" for name in "abc"]


@pytest.fixture(params=["cache", "sqlite", "postgresql"])
def webhook(request: pytest.FixtureRequest, start: Start, make_catalogue_url: Callable[[str], str]) -> RunningWebhook:
    """Return a webhook without and with a database."""
    return start(CATALOGUE_URL=None if request.param == "cache" else make_catalogue_url(request.param))


def generated(webhook: RunningWebhook, prediction: Make) -> list[str]:
    """Generate three assets of alice; return their ids."""
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    answer = webhook.callback(prediction(output=OUTPUTS), path=webhook.replicate.callback_path())
    return sorted(each["asset_id"] for each in answer.json()["assets"])


def of_bob(webhook: RunningWebhook, asset_id: str) -> str:
    """Add an asset of bob to the same prediction, as `kubectl` would."""
    other = resource_of(webhook, asset_id)
    about = {"name": "of-bob", "uid": "uid-bob", "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = other["spec"] | {"userId": "bob", "assetId": ASSET_ID}
    webhook.run(webhook.cluster.write({"metadata": other["metadata"] | about, "spec": spec}))
    webhook.until(lambda: webhook.call("GET", LIST + ASSET_ID, token=BOB).status_code == 200)
    return ASSET_ID


def take_down(webhook: RunningWebhook, token: str, path: str = MEDIA) -> list[tuple[str, str, int]]:
    answer = webhook.call("DELETE", path, token=token)
    assert answer.status_code == 200, answer.text
    assert answer.json()["more"] is False
    assert all((each["problem"] is None) == (each["status"] == 202) for each in answer.json()["assets"])
    return sorted((each["id"], each["user"], each["status"]) for each in answer.json()["assets"])


def status_of(webhook: RunningWebhook, asset_id: str) -> int:
    return webhook.call("GET", LIST + asset_id, token=ROOT).status_code


def test_owner_takes_down_all_of_the_prediction_and_nothing_of_others(
    webhook: RunningWebhook, prediction: Make
) -> None:
    ids = generated(webhook, prediction)
    bobs, unrelated = of_bob(webhook, ids[0]), webhook.call(
        "POST", "/api/v1/media/import-from-url", json={"url": URL}
    ).json()["asset_id"]  # fmt: skip
    assert take_down(webhook, ALICE) == [(each, "alice", 202) for each in ids]
    assert [status_of(webhook, each) for each in (*ids, bobs, unrelated)] == [410, 410, 410, 200, 200]
    assert take_down(webhook, ALICE) == []


def test_takedown_of_more_than_a_page_says_so(
    webhook: RunningWebhook, prediction: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = generated(webhook, prediction)
    monkeypatch.setattr("mediaimport_webhook.routes.takedowns._MAX_ASSETS", 2)
    first = webhook.call("DELETE", MEDIA, token=ALICE).json()
    assert (len(first["assets"]), first["more"]) == (2, True)
    second = webhook.call("DELETE", MEDIA, token=ALICE).json()
    assert (len(second["assets"]), second["more"]) == (1, False)
    assert sorted(each["id"] for each in (*first["assets"], *second["assets"])) == ids


def test_admin_takes_down_everybodys(webhook: RunningWebhook, prediction: Make) -> None:
    ids = generated(webhook, prediction)
    bobs = of_bob(webhook, ids[0])
    expected = sorted([*((each, "alice", 202) for each in ids), (bobs, "bob", 202)])
    assert take_down(webhook, ROOT) == expected
    assert {status_of(webhook, each) for each in (*ids, bobs)} == {410}


def test_another_user_takes_down_nothing(webhook: RunningWebhook, prediction: Make) -> None:
    ids = generated(webhook, prediction)
    assert take_down(webhook, BOB) == []
    assert webhook.call("DELETE", MEDIA, token=None).status_code == 401
    assert {status_of(webhook, each) for each in ids} == {200}


@pytest.mark.parametrize("job_id", ["unknown", "%00", "'; DROP TABLE media_assets; --", "%F0%9F%91%A9", "a" * 3000])
def test_prediction_of_any_name_without_assets_is_answered_empty(webhook: RunningWebhook, job_id: str) -> None:
    assert take_down(webhook, ROOT, f"/api/v1/predictions/{job_id}/media") == []


def test_import_is_no_prediction_of_its_name(webhook: RunningWebhook) -> None:
    asset_id = webhook.call("POST", "/api/v1/media/import-from-url", json={"url": URL}).json()["asset_id"]
    name = resource_of(webhook, asset_id)["metadata"]["name"]
    assert webhook.call("GET", f"{LIST}?job_id={name}").json()["assets"] != []
    assert take_down(webhook, ROOT, f"/api/v1/predictions/{name}/media") == []
    assert status_of(webhook, asset_id) == 200


def test_failure_of_one_asset_is_no_failure_of_the_others(webhook: RunningWebhook, prediction: Make) -> None:
    ids = generated(webhook, prediction)
    taken = resource_of(webhook, ids[0])
    webhook.cluster.imports[taken["metadata"]["name"]] = taken | {"spec": taken["spec"] | {"assetId": ASSET_ID}}
    answers = {each: code for each, _, code in take_down(webhook, ROOT)}
    assert answers == {ids[0]: 409, ids[1]: 202, ids[2]: 202}
    assert [status_of(webhook, each) for each in ids] == [200, 410, 410]


def test_assets_whose_resource_is_gone_are_taken_down_with_a_database(
    start: Start, catalogue_url: str, prediction: Make
) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    stored, broken, present = generated(webhook, prediction)
    kept = sidecar_of("alice")
    owner = kept.owner.model_copy(update={"name": resource_of(webhook, stored)["metadata"]["name"]})
    asset = kept.asset.model_copy(update={"id": stored})
    webhook.sidecars.held[AssetKeys("alice", stored).sidecar] = kept.model_copy(update={"owner": owner, "asset": asset})
    finish(webhook, stored, ready_status(stored))
    finish(webhook, broken, failed("HTTP 404"))
    for each in (stored, broken):
        remove(webhook, each)
    assert take_down(webhook, ROOT) == sorted((each, "alice", 202) for each in (stored, broken, present))
    settle(webhook)
    assert resource_of(webhook, stored)["spec"]["deletionPolicy"] == "Delete"
    assert webhook.call("GET", f"{LIST}?job_id=pred1", token=ROOT).json()["assets"] == []
    assert take_down(webhook, ROOT) == []


def test_database_that_is_away_makes_no_half_takedown(start: Start, postgresql: Postgres, prediction: Make) -> None:
    url = postgresql.create_database()
    asyncio.run(migrated(url))
    webhook = start(CATALOGUE_URL=url)
    ids = generated(webhook, prediction)
    settle(webhook)
    postgresql.stop()
    try:
        assert slug(webhook.call("DELETE", MEDIA)) == (503, "unavailable")
    finally:
        postgresql.start()
    assert take_down(webhook, ALICE) == [(each, "alice", 202) for each in ids]


def test_admin_takes_down_copies_of_a_file_and_assets_of_a_user(webhook: RunningWebhook) -> None:
    """The lists have filters for it; an asset of another user is deleted by its id."""
    copies = {store(webhook, digest="a" * 64), store(webhook, token=BOB, user="bob", digest="a" * 64)}
    others = {store(webhook, digest="b" * 64)}

    def listed(**query: Any) -> set[str]:  # noqa: ANN401 - of the list
        found = webhook.call("GET", LIST, token=ROOT, params=query).json()["assets"]
        return {each["id"] for each in found}

    assert listed(sha256="a" * 64) == copies
    for each in copies:
        assert webhook.call("DELETE", LIST + each, token=ROOT).status_code == 202
    assert (listed(sha256="a" * 64), listed(user="alice"), listed(user="bob")) == (set(), others, set())
