"""`deletionPolicy: Delete`: the asset is deleted with its resource, and does not come back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mediaimport_api import names

if TYPE_CHECKING:
    from tests.support.installation.world import World


def gone(world: World, name: str) -> bool:
    return name not in world.names()


@pytest.fixture
def stored(world: World) -> tuple[str, str]:
    """Name of a Ready import with the policy, and the prefix of its objects."""
    name = world.create("doomed", {"source": {"url": world.file_url()}, "deletionPolicy": "Delete"})
    asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
    assert names.STORED_OBJECTS_FINALIZER in world.get(name)["metadata"]["finalizers"]
    return name, f"media/default/{asset['id']}/"


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_objects_are_deleted_with_the_resource_and_a_tombstone_stays(
    world: World, stored: tuple[str, str], cascade: str
) -> None:
    name, prefix = stored
    assert len(world.objects(prefix)) == 3
    world.kubectl("delete", "mi", name, f"--cascade={cascade}", "--wait=false")
    world.wait_until(lambda: gone(world, name), "the end of the resource")
    assert world.objects(prefix) == [f"{prefix}asset.json"]
    assert json.loads(world.read(f"{prefix}asset.json"))["deleted"] is True


def test_import_of_a_deleted_asset_fails_with_the_reason(world: World, stored: tuple[str, str]) -> None:
    name, prefix = stored
    url = world.get(name)["spec"]["source"]["url"]
    world.kubectl("delete", "mi", name)
    again = world.create("again", {"source": {"url": url}, "assetId": prefix.split("/")[2]})
    assert world.wait_for_phase(again, "Failed")["status"]["error"]["reason"] == "AssetDeleted"
    assert world.objects(prefix) == [f"{prefix}asset.json"]


def test_retain_removes_the_finalizer_and_keeps_the_objects(world: World, stored: tuple[str, str]) -> None:
    name, prefix = stored
    world.patch(name, {"spec": {"deletionPolicy": "Retain"}})
    world.wait_until(lambda: "finalizers" not in world.get(name)["metadata"], "no finalizer")
    world.kubectl("delete", "mi", name)
    assert len(world.objects(prefix)) == 3


def test_deleting_a_running_import_stops_it_first(world: World) -> None:
    url = world.file_url(size_bytes=20_000_000, bytes_per_second=2_500_000)
    name = world.create("stopped", {"source": {"url": url}, "deletionPolicy": "Delete"})
    world.wait_for_phase(name, "Importing")
    uid = world.get(name)["metadata"]["uid"]
    world.kubectl("delete", "mi", name, "--wait=false")
    world.wait_until(lambda: gone(world, name), "the end of the resource")
    assert world.objects(f"media/default/{uid}/") == [f"media/default/{uid}/asset.json"]


def test_deletion_waits_with_the_reason_while_the_store_refuses(world: World, stored: tuple[str, str]) -> None:
    name, prefix = stored
    release = world.installation.release
    with world.store_setting("secret", f"{release}-store", "S3_SECRET_ACCESS_KEY", "wrong"):
        world.kubectl("delete", "mi", name, "--wait=false")
        world.wait_until(
            lambda: "credentials" in json.dumps(world.get(name)["status"]["conditions"]), "the cause in the status"
        )
    world.wait_until(lambda: gone(world, name), "the end of the resource", timeout_s=120)
    assert world.objects(prefix) == [f"{prefix}asset.json"]
