"""Upload of a caller: begun, put into the store by the presigned URL, completed, and an asset in the end."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.support.installation.issuer import Issuer
    from tests.support.installation.world import World

UPLOADS = "/api/v1/media/uploads"
SIZE_BYTES = 6 * 1000**2
# Users of their own: the tests that send requests at random begin many uploads.
UPLOADER, STRANGER = "uploader", "stranger"


@pytest.fixture
def owner(issuer: Issuer) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(UPLOADER)}"}


@pytest.fixture
def stranger(issuer: Issuer) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(STRANGER)}"}


def waiting(world: World, upload_id: str) -> list[str]:
    """Return the keys below `incoming/` of an upload."""
    found = world.store.list_objects_v2(Bucket=world.bucket, Prefix="incoming/").get("Contents", [])
    return [each["Key"] for each in found if each["Key"].endswith(upload_id)]


def test_upload_becomes_an_asset_of_its_caller_alone(
    world: World, anonymous: httpx.Client, owner: dict[str, str], stranger: dict[str, str]
) -> None:
    content = os.urandom(SIZE_BYTES)
    about = {"size_bytes": SIZE_BYTES, "sha256": sha256(content).hexdigest(), "name": "noise.bin", "tags": ["upload"]}
    begun = anonymous.post(UPLOADS, json=about, headers=owner)
    assert begun.status_code == 201, begun.text
    upload = begun.json()
    complete = f"{UPLOADS}/{upload['id']}/complete"
    assert anonymous.post(complete, headers=owner).status_code == 409

    put = httpx.put(upload["url"], content=content[::-1], headers=upload["headers"], verify=world.tls)
    assert put.status_code in range(400, 500)
    put = httpx.put(upload["url"], content=content, headers=upload["headers"], verify=world.tls)
    assert put.status_code == 200, put.text
    assert len(waiting(world, upload["id"])) == 1

    assert anonymous.post(complete, headers=stranger).status_code == 404
    answers = [anonymous.post(complete, headers=owner) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    assert {each.json()["asset_id"] for each in answers} == {upload["id"]}
    world.wait_for_phase(answers[0].json()["import_job_id"], "Ready")

    asset = anonymous.get(f"/api/v1/media/{upload['id']}", headers=owner).json()
    assert (asset["status"], asset["name"], asset["type"]) == ("ready", "noise.bin", "file")
    assert asset["metadata"]["sha256"] == about["sha256"]
    assert httpx.get(asset["url"], verify=world.tls).content == content
    assert waiting(world, upload["id"]) == []
    assert anonymous.get(f"/api/v1/media/{upload['id']}", headers=stranger).status_code == 404
    assert anonymous.post(complete, headers=stranger).status_code == 404
    again = anonymous.post(complete, headers=owner)
    assert (again.status_code, again.json()["status"]) == (202, "ready")
