"""Import from a source's URL to three objects in the store."""

from __future__ import annotations

import hashlib
import json
from uuid import uuid4

from tests.support.installation.world import World, sha256_of_store


def test_signed_callback_becomes_a_ready_import_with_exactly_three_objects(world: World) -> None:
    prediction = world.predict({}, webhook=True)
    name = world.import_of(prediction["id"])
    done = world.wait_for_phase(name, "Ready")
    status = done["status"]
    asset = status["asset"]
    prefix = f"media/default/{asset['id']}/"
    assert sorted(world.objects(prefix)) == [f"{prefix}{each}" for each in ("asset.json", "thumbnail.jpg", "video.mp4")]
    body = world.read(asset["key"])
    assert hashlib.sha256(body).hexdigest() == asset["sha256"] == world.film_sha256
    assert sha256_of_store(world, asset["key"]) == asset["sha256"]
    assert asset["sizeBytes"] == len(body)
    assert world.read(status["thumbnail"]["key"]).startswith(b"\xff\xd8\xff")
    assert status["thumbnail"]["width"] == 320
    assert (status["media"]["width"], status["media"]["height"]) == (1280, 720)
    assert status["media"]["video"]["codecName"] == "h264"
    sidecar = json.loads(world.read(f"{prefix}asset.json"))
    assert sidecar["owner"] == {"namespace": world.namespace, "name": name, "uid": done["metadata"]["uid"]}
    assert sidecar["asset"] == asset
    assert sidecar["provenance"]["provider"]["id"] == prediction["id"]
    assert sidecar["ffprobe"]["streams"]


def test_a_ready_import_satisfies_kubectl_wait_and_reads_well(world: World) -> None:
    name = world.create("reads-well", {"source": {"url": world.file_url()}, "name": "film.mp4"})
    world.kubectl("wait", "--for=condition=Ready", f"mediaimport/{name}", "--timeout=60s")
    table = world.kubectl("get", "mi", name, "-o", "wide").splitlines()
    assert table[0].split() == (
        "NAME PHASE PROGRESS TYPE SIZE DURATION AGE REASON MESSAGE HOST USER SHA256".split()  # noqa: SIM905 - a table's head
    )
    assert " Ready " in table[1]
    assert " video " in table[1]
    assert "Imported" in table[1]


def test_no_secret_of_a_url_is_in_the_status(world: World) -> None:
    name = world.create("hides", {"source": {"url": world.file_url() + "?signature=hush"}})
    assert "hush" not in json.dumps(world.wait_for_phase(name, "Ready")["status"])


def test_a_suspended_import_starts_when_it_is_resumed(world: World) -> None:
    name = world.create("resumed", {"source": {"url": world.file_url()}, "suspend": True})
    world.wait_for_phase(name, "Suspended")
    assert world.jobs(name) == []
    world.patch(name, {"spec": {"suspend": False}})
    world.wait_for_phase(name, "Ready")


def test_import_with_a_matching_hash_is_ready(world: World) -> None:
    expected = {"sha256": world.film_sha256}
    name = world.create("expected", {"source": {"url": world.file_url()}, "expected": expected})
    world.wait_for_phase(name, "Ready")


def test_a_second_import_of_a_taken_asset_id_touches_nothing(world: World) -> None:
    first = world.create("first", {"source": {"url": world.file_url()}})
    asset = world.wait_for_phase(first, "Ready")["status"]["asset"]
    before = world.modified(asset["key"])
    second = world.create("second", {"source": {"url": world.file_url()}, "assetId": asset["id"]})
    failed = world.wait_for_phase(second, "Failed")["status"]
    assert failed["error"]["reason"] == "AssetTaken"
    assert world.modified(asset["key"]) == before


def test_recreated_resource_finds_its_asset_without_a_download(world: World) -> None:
    spec = {"source": {"url": world.file_url()}, "assetId": str(uuid4())}
    name = world.create("again", spec, unique=False)
    asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
    before = world.modified(asset["key"])
    world.kubectl("delete", "mi", name, "--wait")
    world.create("again", spec, unique=False)
    assert world.wait_for_phase(name, "Ready")["status"]["asset"] == asset
    assert world.modified(asset["key"]) == before
