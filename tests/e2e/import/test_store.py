"""Refusals of the store, with the remedy in the message: the import waits, and ends Ready after the repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.installation.world import World


def test_a_wrong_secret_is_store_denied(world: World) -> None:
    secret = f"{world.installation.release}-store"
    with world.store_setting("secret", secret, "S3_SECRET_ACCESS_KEY", "wrong"):
        name = world.create("denied", {"source": {"url": world.file_url()}})
        error = world.wait_for_phase(name, "Waiting")["status"]["error"]
    assert error["reason"] == "StoreDenied"
    assert "S3_SECRET_ACCESS_KEY" in error["message"]
    world.wait_for_phase(name, "Ready", timeout_s=120)


def test_a_missing_bucket_is_store_missing(world: World) -> None:
    settings = f"{world.installation.release}-importer"
    with world.store_setting("configmap", settings, "S3_BUCKET_NAME", "no-such-bucket"):
        name = world.create("missing", {"source": {"url": world.file_url()}})
        error = world.wait_for_phase(name, "Waiting")["status"]["error"]
    assert error["reason"] == "StoreMissing"
    assert "no-such-bucket" in error["message"]
    world.wait_for_phase(name, "Ready", timeout_s=120)
