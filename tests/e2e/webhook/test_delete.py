"""Deletion through the webhook: the asset is gone from the store and does not come back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.replicate.callbacks import finished_prediction, signed

if TYPE_CHECKING:
    import httpx

    from tests.support.installation.world import World


def test_deleted_asset_is_gone_for_good(world: World, webhook: httpx.Client) -> None:
    body = finished_prediction(world.file_url())
    webhook.post("/api/v1/replicate/webhook", content=body, headers=signed(body)).raise_for_status()
    name = world.import_of(json.loads(body)["id"])
    asset_id = world.get(name)["spec"]["assetId"]
    assert world.finished_asset(webhook, asset_id)["status"] == "ready"
    prefix = f"media/default/{asset_id}/"
    assert len(world.objects(prefix)) == 3

    assert webhook.delete(f"/api/v1/media/{asset_id}").status_code == 202
    assert webhook.get(f"/api/v1/media/{asset_id}").status_code == 410
    world.wait_until(lambda: name not in world.names(), "the end of the resource")
    assert world.objects(prefix) == [f"{prefix}asset.json"]
    assert json.loads(world.read(f"{prefix}asset.json"))["deleted"] is True
    assert webhook.get(f"/api/v1/media/{asset_id}").status_code == 410
    assert webhook.post(f"/api/v1/media/{asset_id}/retry").status_code == 410

    late = webhook.post("/api/v1/replicate/webhook", content=body, headers=signed(body))
    assert (late.status_code, [each["outcome"] for each in late.json()["assets"]]) == (200, ["created"])
    assert world.wait_for_phase(name, "Failed")["status"]["error"]["reason"] == "AssetDeleted"
    world.wait_until(lambda: webhook.get(f"/api/v1/media/{asset_id}").status_code == 410, "the answer 410")
    assert world.objects(prefix) == [f"{prefix}asset.json"]


def test_asset_without_its_resource_is_deleted_too(world: World, webhook: httpx.Client) -> None:
    name = world.create("outlived", {"source": {"url": world.file_url()}, "userId": "default"})
    asset_id = world.wait_for_phase(name, "Ready")["status"]["asset"]["id"]
    prefix = f"media/default/{asset_id}/"
    world.kubectl("delete", "mi", name, "--wait")
    world.wait_until(
        lambda: webhook.get(f"/api/v1/media/{asset_id}").json()["import_job_id"] == name, "the sidecar's answer"
    )
    assert len(world.objects(prefix)) == 3

    assert webhook.delete(f"/api/v1/media/{asset_id}").status_code == 202
    assert webhook.get(f"/api/v1/media/{asset_id}").status_code == 410
    # It goes after the cleanup, whose tombstone is written last: before it, the sidecar may still be read.
    world.wait_until(lambda: name not in world.names(), "the end of the resource that stood in")
    assert world.objects(prefix) == [f"{prefix}asset.json"]
    assert json.loads(world.read(f"{prefix}asset.json"))["deleted"] is True
    assert webhook.delete(f"/api/v1/media/{asset_id}").status_code == 410
