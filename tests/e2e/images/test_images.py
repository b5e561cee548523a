"""The images as they are pulled: cut to size and nothing missed, for any uid, with a read-only root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_api import __version__

from dev.cluster import addresses
from dev.cluster.exports import IMAGE_VARIABLES

if TYPE_CHECKING:
    from tests.support.world import World

INSIDE = (Path(__file__).resolve().parents[2] / "support/image_inspection.py").read_text()
ODD_UID = 1234567
MB = 1_000_000
Seen = dict[str, Any]


def manifest(image: str, name: str) -> Seen:
    """Return a pod without a writable file, of a uid that no file knows."""
    container = {
        "name": "inside",
        "image": image,
        "command": ["python", "-c", INSIDE],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    security = {"runAsUser": ODD_UID, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": security,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}


@pytest.fixture(scope="module")
def seen(world: World, environment: dict[str, str]) -> dict[str, Seen]:
    """What each image tells of itself."""
    images = {name: environment[IMAGE_VARIABLES[name]] for name in ("mediaimport", "mediaimport-ffmpeg")}
    for name, image in images.items():
        world.kubectl("apply", "-f", "-", given=json.dumps(manifest(image, f"inside-{name}")))
    told = {}
    for name in images:
        pod = f"inside-{name}"
        ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
        world.kubectl("wait", f"pod/{pod}", ended, "--timeout=90s")
        told[name] = json.loads(world.kubectl("logs", pod).splitlines()[-1])
        world.kubectl("delete", "pod", pod, "--wait=false")
    return told


@pytest.fixture(params=["mediaimport", "mediaimport-ffmpeg"])
def image(request: pytest.FixtureRequest, seen: dict[str, Seen]) -> Seen:
    return seen[request.param]


def test_every_module_can_be_imported_by_any_uid_on_a_read_only_root(image: Seen) -> None:
    assert image["unimportable"] == {}
    assert (image["uid"], image["writable"]) == (ODD_UID, False)


def test_every_chain_of_credentials_works_on_what_is_left_of_the_sdk(image: Seen) -> None:
    assert image["chains"] == {"web identity": "of-sts", "pod identity": "of-agent"}
    assert image["endpoints"]["s3"] == "https://s3.eu-central-1.amazonaws.com"
    assert image["endpoints"]["sts"] == "https://sts.eu-central-1.amazonaws.com"


def test_control_image_is_small(seen: dict[str, Seen]) -> None:
    assert seen["mediaimport"]["size_bytes"] <= 300 * MB


def test_importer_image_has_ffmpeg_and_no_graphics(seen: dict[str, Seen]) -> None:
    assert "ffmpeg" in seen["mediaimport-ffmpeg"]["debian"]
    assert {"libllvm19", "mesa-libgallium", "libgl1-mesa-dri"} & set(seen["mediaimport-ffmpeg"]["debian"]) == set()
    assert seen["mediaimport-ffmpeg"]["size_bytes"] <= 500 * MB


@pytest.mark.parametrize("name", ["mediaimport", "mediaimport-ffmpeg"])
def test_image_says_what_it_is(name: str, environment: dict[str, str]) -> None:
    registry, _, rest = environment[IMAGE_VARIABLES[name]].partition("/")
    if registry != addresses.REGISTRY:
        pytest.skip("not the registry that we made")
    repository, tag = rest.split(":")
    with httpx.Client(base_url=f"http://{registry}/v2/{repository}") as client:
        kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        about = client.get(f"/manifests/{tag}", headers={"accept": kinds}).json()
        labels = client.get(f"/blobs/{about['config']['digest']}", follow_redirects=True).json()["config"]["Labels"]
    told = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert told["title"] == name
    assert told["version"] == __version__
    assert "Apache-2.0" in told["licenses"]
    assert told["description"]
