"""Media of every kind on its way through the cluster: outputs given inline by a callback, and uploads of callers."""

from __future__ import annotations

import base64
import json
import os
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pyvips

from tests.support.kept_files import glb
from tests.support.picture_studio import RED, plain

if TYPE_CHECKING:
    from tests.support.installation.issuer import Issuer
    from tests.support.installation.world import World

Object = dict[str, Any]
UPLOADS = "/api/v1/media/uploads"
SEEN = Path(__file__).resolve().parents[3] / "build" / "kinds.txt"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="640" height="360"><circle r="90"/></svg>\n'
HUGE = (20_000, 15_000)


def record(world: World, name: str, answer: Object) -> None:
    """Keep what people see of an import: the table's row, and the webhook's answer."""
    table = world.kubectl("get", "mi", name, "-o", "wide")
    text = json.dumps(answer, indent=1, default=str)
    SEEN.parent.mkdir(exist_ok=True)
    with SEEN.open("a") as file:
        file.write(f"{table}{text}\n\n")


def data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def test_inline_outputs_of_a_callback_are_kept(world: World, webhook: httpx.Client) -> None:
    """A drawing and a 3D model fit into the resource; four megabytes of base64 wait below `incoming/`."""
    contents = {"/drawing": SVG, "/model": glb(), "/noise": os.urandom(3_000_000)}
    output = {
        "drawing": data_uri("image/svg+xml", SVG),
        "model": data_uri("model/gltf-binary", contents["/model"]),
        "noise": data_uri("application/octet-stream", contents["/noise"]),
    }
    prediction = world.predict({"output": output}, webhook=True)["id"]

    world.wait_until(lambda: len(world.imports_of(prediction)) == len(contents), "an import for each output")
    for name, pointer in world.imports_of(prediction).items():
        asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
        answer = webhook.get(f"/api/v1/media/{asset['id']}").raise_for_status().json()
        record(world, name, answer)
        assert answer["metadata"]["sha256"] == sha256(contents[pointer]).hexdigest()
        download = httpx.get(answer["url"], verify=world.tls)
        assert download.content == contents[pointer]
        assert download.headers["content-disposition"].startswith("attachment")
        assert (answer["type"], answer["thumbnail_url"] is not None) == {
            "/drawing": ("image", True),
            "/model": ("model3d", False),
            "/noise": ("file", False),
        }[pointer]


@pytest.mark.slow
def test_large_uploads_are_kept(world: World, anonymous: httpx.Client, issuer: Issuer) -> None:
    """Thirty megabytes that nothing describes, and a picture of 300 megapixels."""
    picture = plain(RED, *HUGE).jpegsave_buffer()
    token = {"Authorization": f"Bearer {issuer.token('uploader')}"}
    large = os.urandom(30_000_000)
    noise = upload(world, anonymous, token, large, "noise.bin")
    assert (noise["type"], noise["metadata"]["sha256"]) == ("file", sha256(large).hexdigest())
    huge = upload(world, anonymous, token, picture, "huge.jpg")
    assert (huge["type"], huge["metadata"]["width"], huge["metadata"]["height"]) == ("image", *HUGE)
    thumbnail = pyvips.Image.new_from_buffer(httpx.get(huge["thumbnail_url"], verify=world.tls).content, "")
    assert (thumbnail.width, thumbnail.height) == (320, 240)


def upload(world: World, client: httpx.Client, token: dict[str, str], content: bytes, name: str) -> Object:
    """Return the ready asset of an upload by presigned PUT."""
    began = time.monotonic()
    about = {"size_bytes": len(content), "sha256": sha256(content).hexdigest(), "name": name}
    begun = client.post(UPLOADS, json=about, headers=token).raise_for_status().json()
    httpx.put(begun["url"], content=content, headers=begun["headers"], verify=world.tls, timeout=60).raise_for_status()
    completed = client.post(f"{UPLOADS}/{begun['id']}/complete", headers=token).raise_for_status().json()
    world.wait_for_phase(completed["import_job_id"], "Ready", timeout_s=120)
    answer: Object = client.get(f"/api/v1/media/{begun['id']}", headers=token).raise_for_status().json()
    record(world, completed["import_job_id"], {"seconds": round(time.monotonic() - began, 1)} | answer)
    return answer
