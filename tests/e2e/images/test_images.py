"""Images as they are pulled: reduced in size and complete, for any uid, with a read-only root."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_api import __version__

from dev.cluster import addresses
from dev.cluster.exports import IMAGE_VARIABLES

if TYPE_CHECKING:
    from tests.support.installation.world import World

INSPECTION = (Path(__file__).resolve().parents[2] / "support/image_inspection.py").read_text()
UNKNOWN_UID = 1234567
MB = 1_000_000
Report = dict[str, Any]
# Parts for screens, which nothing loads, and a library that pi-heif has loaded before the one that needs it.
PLUG_INS = re.compile(r"/(gdk-pixbuf-2.0|gbm|caca|pi_heif.libs)/")


def manifest(image: str, name: str) -> Report:
    """Return a pod with a read-only root file system and a uid that is in no file."""
    container = {
        "name": "inspection",
        "image": image,
        "command": ["python", "-c", INSPECTION],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    security = {"runAsUser": UNKNOWN_UID, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": security,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}


@pytest.fixture(scope="module")
def reports(world: World, environment: dict[str, str]) -> dict[str, Report]:
    """Report of each image's inspection."""
    images = {name: environment[IMAGE_VARIABLES[name]] for name in ("mediaimport", "mediaimport-ffmpeg")}
    for name, image in images.items():
        world.kubectl("apply", "-f", "-", given=json.dumps(manifest(image, f"inspection-{name}")))
    reported = {}
    for name in images:
        pod = f"inspection-{name}"
        ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
        world.kubectl("wait", f"pod/{pod}", ended, "--timeout=90s")
        reported[name] = json.loads(world.kubectl("logs", pod).splitlines()[-1])
        world.kubectl("delete", "pod", pod, "--wait=false")
    return reported


@pytest.fixture(params=["mediaimport", "mediaimport-ffmpeg"])
def image(request: pytest.FixtureRequest, reports: dict[str, Report]) -> Report:
    return reports[request.param]


def test_every_module_can_be_imported_by_any_uid_on_a_read_only_root(image: Report) -> None:
    assert image["unimportable"] == {}
    assert (image["uid"], image["writable"]) == (UNKNOWN_UID, False)


def test_every_chain_of_credentials_works_on_the_reduced_sdk(image: Report) -> None:
    assert image["chains"] == {"web identity": "of-sts", "pod identity": "of-agent"}
    assert image["endpoints"]["s3"] == "https://s3.eu-central-1.amazonaws.com"
    assert image["endpoints"]["sts"] == "https://sts.eu-central-1.amazonaws.com"


def test_no_program_changes_its_user(image: Report) -> None:
    assert image["set_id"] == []


def test_no_package_manager_and_no_perl_is_in_the_image(image: Report) -> None:
    assert {"apt", "dpkg", "perl-base", "debconf", "login", "mount", "passwd", "util-linux"} & set(
        image["debian"]
    ) == set()


def test_every_library_that_something_is_linked_with_is_there(image: Report) -> None:
    assert [each for each in image["unlinked"] if not PLUG_INS.search(each)] == []


def test_every_package_of_debian_has_its_copyright(image: Report) -> None:
    assert image["without_copyright"] == []


def test_public_certificate_authorities_are_known(image: Report) -> None:
    assert image["certificates"] > 100


def test_file_of_authorities_that_the_docs_name_for_the_database_is_there(image: Report) -> None:
    assert image["certificates_in_file"] > 100


def test_control_image_is_small(reports: dict[str, Report]) -> None:
    assert reports["mediaimport"]["size_bytes"] <= 230 * MB
    assert len(reports["mediaimport"]["debian"]) <= 60


def test_importer_image_has_ffmpeg_and_no_graphics(reports: dict[str, Report]) -> None:
    assert "ffmpeg" in reports["mediaimport-ffmpeg"]["debian"]
    assert {"libllvm19", "mesa-libgallium", "libgl1-mesa-dri"} & set(reports["mediaimport-ffmpeg"]["debian"]) == set()
    assert reports["mediaimport-ffmpeg"]["size_bytes"] <= 480 * MB


@pytest.fixture(params=["mediaimport", "mediaimport-ffmpeg"])
def configuration(request: pytest.FixtureRequest, environment: dict[str, str]) -> Report:
    """Configuration of an image as its registry has it."""
    registry, _, rest = environment[IMAGE_VARIABLES[request.param]].partition("/")
    if registry != addresses.REGISTRY:
        pytest.skip("not the registry of `make up`")
    repository, tag = rest.split(":")
    with httpx.Client(base_url=f"http://{registry}/v2/{repository}") as client:
        kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        about = client.get(f"/manifests/{tag}", headers={"accept": kinds}).json()
        stored: Report = client.get(f"/blobs/{about['config']['digest']}", follow_redirects=True).json()["config"]
    return {"name": request.param} | stored


def test_labels_describe_the_image(configuration: Report) -> None:
    labels = configuration["Labels"].items()
    described = {key.removeprefix("org.opencontainers.image."): value for key, value in labels}
    assert described["title"] == configuration["name"]
    assert described["version"] == __version__
    assert "Apache-2.0" in described["licenses"]
    assert described["description"]
    assert described["source"].startswith("https://")


def test_image_without_a_command_tells_its_programs(
    configuration: Report, world: World, environment: dict[str, str]
) -> None:
    assert configuration.get("Entrypoint") is None
    name, image = f"told-{configuration['name']}", environment[IMAGE_VARIABLES[configuration["name"]]]
    pod = manifest(image, name)
    del pod["spec"]["containers"][0]["command"]
    world.kubectl("apply", "-f", "-", given=json.dumps(pod))
    world.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
    told = world.kubectl("logs", name)
    world.kubectl("delete", "pod", name, "--wait=false")
    named = {line.split()[2] for line in told.splitlines() if line.startswith("  python -m ")}
    assert named == {f"mediaimport_{each}" for each in ("operator", "webhook", "importer", "prober", "checks")}
