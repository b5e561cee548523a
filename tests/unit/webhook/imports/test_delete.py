from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Owner, Tombstone

from tests.support.webhook import sidecar_of

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook

IMPORT, URL = "/api/v1/media/import-from-url", "https://example.com/a.mp4"
BOB, ROOT = "bob-token-0123456789", "root-token-0123456789"
FINALIZER = "mediaimport.dev/stored-objects"
FINGERPRINT = "mediaimport.dev/source-fingerprint"
TOMBSTONE = Tombstone(
    owner=Owner(namespace="media", name="gone", uid="u1"),
    source_fingerprint="0" * 64,
    deleted_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def imported(webhook: RunningWebhook, **headers: str) -> str:
    asset_id: str = webhook.call("POST", IMPORT, json={"url": URL}, headers=headers).json()["asset_id"]
    return f"/api/v1/media/{asset_id}"


def bury(webhook: RunningWebhook, path: str, *, user: str = "alice") -> None:
    """Finish as the operator does: the objects go, then the resource."""
    webhook.sidecars.held[AssetKeys(user, path.rpartition("/")[2]).sidecar] = TOMBSTONE
    for name in list(webhook.cluster.imports):
        webhook.run(webhook.cluster.remove(name))
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_resources") == 0)


def fail_as_deleted(webhook: RunningWebhook) -> None:
    """End the only import as its importer does that finds the tombstone."""
    (resource,) = webhook.cluster.imports.values()
    ready = {"type": "Ready", "status": "False", "reason": "AssetDeleted", "message": "It was deleted."}
    condition = ready | {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    error = {"reason": "AssetDeleted", "message": "It was deleted.", "retryable": False}
    status = {"phase": "Failed", "conditions": [condition], "error": error}
    webhook.run(webhook.cluster.write(resource | {"status": status}))
    path = f"/api/v1/media/{resource['spec']['assetId']}"
    webhook.until(lambda: webhook.call("GET", path, token=ROOT).status_code == 410)


def test_policy_and_finalizer_are_set_and_that_very_version_is_deleted(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    assert webhook.call("DELETE", path).status_code == 202
    (resource,) = webhook.cluster.imports.values()
    assert resource["spec"]["deletionPolicy"] == "Delete"
    assert resource["metadata"]["finalizers"] == [FINALIZER]
    assert resource["metadata"]["deletionTimestamp"]
    assert [each for each in webhook.cluster.calls if each.endswith("_import")] == [
        "create_import",
        "get_import",
        "patch_import",
        "delete_import",
    ]


def test_deleted_asset_is_gone_at_once_and_stays_so(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    webhook.call("DELETE", path)
    for _ in ("while its objects go", "when they are gone"):
        for method, suffix in (("GET", ""), ("GET", "/events"), ("POST", "/retry"), ("DELETE", "")):
            answer = webhook.call(method, path + suffix)
            assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")
        assert webhook.call("GET", "/api/v1/media/").json()["assets"] == []
        assert webhook.call("GET", "/api/v1/stats").json()["total"] == 0
        bury(webhook, path)


def test_asset_whose_resource_is_gone_is_deleted_by_one_that_stands_in_for_it(webhook: RunningWebhook) -> None:
    kept = sidecar_of("alice")
    place = f"/api/v1/media/{kept.asset.id}"
    webhook.sidecars.held[AssetKeys("alice", str(kept.asset.id)).sidecar] = kept
    assert webhook.call("DELETE", place, token=BOB).status_code == 404
    assert webhook.call("DELETE", place).status_code == 202
    (resource,) = webhook.cluster.imports.values()
    about, spec = resource["metadata"], resource["spec"]
    assert (about["name"], about["annotations"]) == ("gone", {FINGERPRINT: kept.source_fingerprint})
    assert (about["finalizers"], "deletionTimestamp" in about) == ([FINALIZER], True)
    assert (spec["assetId"], spec["userId"]) == (str(kept.asset.id), "alice")
    assert (spec["deletionPolicy"], spec["suspend"]) == ("Delete", True)
    assert webhook.call("GET", place).status_code == 410


def test_asset_of_another_namespace_is_left_alone(webhook: RunningWebhook) -> None:
    kept = sidecar_of("alice")
    elsewhere = kept.model_copy(update={"owner": Owner(namespace="other", name="gone", uid="u1")})
    webhook.sidecars.held[AssetKeys("alice", str(kept.asset.id)).sidecar] = elsewhere
    answer = webhook.call("DELETE", f"/api/v1/media/{kept.asset.id}")
    assert (answer.status_code, "namespace other" in answer.json()["detail"]) == (409, True)
    assert webhook.cluster.imports == {}


def test_name_that_another_import_has_by_now_is_not_deleted(webhook: RunningWebhook) -> None:
    kept = sidecar_of("alice")
    webhook.sidecars.held[AssetKeys("alice", str(kept.asset.id)).sidecar] = kept
    imported(webhook)
    (resource,) = webhook.cluster.imports.values()
    other = resource | {"metadata": resource["metadata"] | {"name": "gone"}}
    webhook.run(webhook.cluster.write(other))
    assert webhook.call("DELETE", f"/api/v1/media/{kept.asset.id}").status_code == 409
    assert "deletionTimestamp" not in webhook.cluster.imports["gone"]["metadata"]


def test_finalizers_of_others_are_kept(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    (resource,) = webhook.cluster.imports.values()
    resource["metadata"]["finalizers"] = ["other.test/one"]
    webhook.run(webhook.cluster.write(resource))
    webhook.call("DELETE", path)
    assert webhook.cluster.imports[resource["metadata"]["name"]]["metadata"]["finalizers"] == [
        "other.test/one",
        FINALIZER,
    ]


def test_change_in_between_is_not_lost(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    webhook.cluster.interruptions = 2
    assert webhook.call("DELETE", path).status_code == 202
    assert webhook.cluster.calls.count("delete_import") == 3


def test_change_before_the_policy_is_set_is_not_lost(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    (resource,) = webhook.cluster.imports.values()
    get_import = webhook.cluster.get_import

    async def get_then_change(name: str) -> dict[str, Any] | None:
        found = await get_import(name)
        if "other.test/one" not in resource["metadata"].get("finalizers", []):
            resource["metadata"]["finalizers"] = ["other.test/one"]
            await webhook.cluster.write(resource)
        return found

    webhook.cluster.get_import = get_then_change  # type: ignore[method-assign]
    assert webhook.call("DELETE", path).status_code == 202
    (left,) = webhook.cluster.imports.values()
    assert left["metadata"]["finalizers"] == ["other.test/one", FINALIZER]


def test_resource_that_goes_between_read_and_patch_is_made_again(webhook: RunningWebhook) -> None:
    kept = sidecar_of("alice")
    webhook.sidecars.held[AssetKeys("alice", str(kept.asset.id)).sidecar] = kept
    place = f"/api/v1/media/{kept.asset.id}"
    patch_import, calls = webhook.cluster.patch_import, 0

    async def gone_at_first(name: str, patch: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal calls
        calls += 1
        if calls > 1:
            return await patch_import(name, patch)
        await webhook.cluster.remove(name)
        return None

    webhook.cluster.patch_import = gone_at_first  # type: ignore[method-assign]
    assert webhook.call("DELETE", place).status_code == 202
    assert (calls, webhook.cluster.calls.count("create_import")) == (2, 2)


def test_resource_that_is_gone_at_once_leaves_nothing_in_the_catalogue(webhook: RunningWebhook) -> None:
    path = imported(webhook)

    async def gone(name: str, **_: object) -> dict[str, Any] | None:
        await webhook.cluster.remove(name)
        return None

    webhook.cluster.delete_import = gone  # type: ignore[method-assign]
    assert webhook.call("DELETE", path).status_code == 202
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_resources") == 0)


def test_resource_that_somebody_else_deletes_is_not_patched(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    (resource,) = webhook.cluster.imports.values()
    resource["metadata"] |= {"finalizers": ["other.test/one"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    webhook.run(webhook.cluster.write(resource))
    assert webhook.call("DELETE", path).status_code == 202
    assert "patch_import" not in webhook.cluster.calls


@pytest.mark.parametrize(("record", "status"), [(None, 404), (TOMBSTONE, 410)])
def test_resource_that_is_gone_since_it_was_seen_ends_as_its_record_says(
    webhook: RunningWebhook, record: Tombstone | None, status: int
) -> None:
    path = imported(webhook)
    if record is not None:
        webhook.sidecars.held[AssetKeys("alice", path.rpartition("/")[2]).sidecar] = record

    async def gone(name: str) -> dict[str, Any] | None:  # noqa: ARG001 - as the cluster's
        return None

    webhook.cluster.get_import = gone  # type: ignore[method-assign]
    assert webhook.call("DELETE", path).status_code == status


def test_resource_that_never_rests_is_503(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    webhook.cluster.interruptions = 99
    assert webhook.call("DELETE", path).status_code == 503


def test_only_its_own_user_or_an_admin_deletes(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    assert webhook.call("DELETE", path, token=None).status_code == 401
    assert webhook.call("DELETE", path, token=BOB).status_code == 404
    assert "patch_import" not in webhook.cluster.calls
    assert webhook.call("DELETE", path, token=ROOT).status_code == 202


def test_cluster_that_cannot_delete_says_so(webhook: RunningWebhook) -> None:
    path = imported(webhook)
    webhook.cluster.delete_refusal = "deletionPolicy Delete is not available in this version; use Retain"
    answer = webhook.call("DELETE", path)
    assert (answer.status_code, "not available" in answer.json()["detail"]) == (501, True)
    assert webhook.call("GET", path).status_code == 200


@pytest.mark.parametrize("user", ["default", "alice"])
def test_late_webhook_brings_nothing_back(webhook: RunningWebhook, prediction: Make, user: str) -> None:
    where = "/api/v1/replicate/webhook"
    if user != "default":
        webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
        where = webhook.replicate.callback_path()
    asset_id = webhook.callback(prediction(), path=where).json()["assets"][0]["asset_id"]
    path = f"/api/v1/media/{asset_id}"
    webhook.call("DELETE", path, token=ROOT)
    going = webhook.callback(prediction(), path=where)
    bury(webhook, path, user=user)
    assert (going.status_code, going.json()["assets"][0]["outcome"]) == (200, "deleted")
    assert webhook.callback(prediction(), path=where).status_code == 200
    fail_as_deleted(webhook)
    for method, suffix in (("GET", ""), ("GET", "/events"), ("POST", "/retry"), ("DELETE", "")):
        assert webhook.call(method, path + suffix, token=ROOT).status_code == 410
    assert webhook.call("GET", "/api/v1/media/", token=ROOT).json()["assets"] == []
    again = webhook.callback(prediction(), path=where)
    assert (again.status_code, again.json()["assets"][0]["outcome"]) == (200, "deleted")


def test_callback_costs_one_request_and_none_of_the_store(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.cluster.calls.clear()
    assert webhook.callback(prediction()).json()["assets"][0]["outcome"] == "created"
    assert (webhook.cluster.calls, webhook.sidecars.reads) == (["create_import"], [])


def test_idempotency_key_of_a_deleted_import_brings_nothing_back(webhook: RunningWebhook) -> None:
    key = {"Idempotency-Key": "k"}
    path = imported(webhook, **key)
    webhook.call("DELETE", path)
    bury(webhook, path)
    answer = webhook.call("POST", IMPORT, json={"url": URL}, headers=key)
    assert (answer.status_code, webhook.cluster.imports) == (410, {})


def test_store_that_is_down_holds_no_webhook_up(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.sidecars.down = True
    assert webhook.callback(prediction()).json()["assets"][0]["outcome"] == "created"
