"""The demo's course: install, generate, wait for the import, look at what came of it."""

from __future__ import annotations

import json
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from dev.demo.evidence import Evidence, fetcher, gather
from tests.support.helm import Installation, install
from tests.support.replicate.manifest import NAME, StandIn, deploy
from tests.support.replicate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx
    from mypy_boto3_s3 import S3Client

    from dev.cluster.kubectl import Kube
    from dev.demo.output import Telling

ALIAS = "wan-video-t2v"
REQUEST = {"prompt": "a rabbit wakes up in a meadow", "size": "720p", "duration": "5s"}
OUTPUT = Path("build/demo")
POLL_S = 0.1
PATIENCE_S = 90
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


class StoryError(Exception):
    """It did not come to its end; the text says where it stopped."""


def set_up(kube: Kube, environment: Mapping[str, str], tell: Telling) -> tuple[Installation, StandIn]:
    """Run the stand-in and install the chart."""
    installation = Installation(kube)
    tell.step("starting the stand-in for Replicate")
    replicate = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"])
    tell.step(f"helm upgrade --install {installation.release} charts/mediaimport --wait")
    install(installation, environment, replicate=replicate)
    kube.wait_for_rollout(NAME, namespace=replicate.namespace)
    return installation, replicate


def generate(shim: httpx.Client, tell: Telling) -> dict[str, Any]:
    """Have a video generated, and return the shim's JSON of the asset once it is ready."""
    answer = shim.post(f"/api/v1/replicate/{ALIAS}", json=REQUEST)
    tell.step(f"POST /api/v1/replicate/{ALIAS} → {answer.status_code} {answer.text}")
    if not answer.is_success:
        raise StoryError("the shim did not start the prediction")
    job = answer.json()["job_id"]
    asset_id = _first_asset(shim, tell, job)
    return _ready_asset(shim, tell, asset_id)


def _first_asset(shim: httpx.Client, tell: Telling, job: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        prediction = shim.get(f"/api/v1/replicate/predictions/{job}").raise_for_status().json()
        if prediction["assets"]:
            tell.step("signed webhook taken in: the MediaImport is there")
            return str(prediction["assets"][0]["id"])
        tell.step(f"prediction {job}: {prediction['status']}")
        time.sleep(POLL_S)
    raise StoryError(f"no webhook of the prediction {job} came through")


def _ready_asset(shim: httpx.Client, tell: Telling, asset_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        asset: dict[str, Any] = shim.get(f"/api/v1/media/{asset_id}").raise_for_status().json()
        step = f", {asset['progress']['step']}" if asset["progress"] and asset["status"] == "uploading" else ""
        tell.step(f"MediaImport {asset['import_job_id']}: {asset['phase']}{step}")
        if asset["status"] == "ready":
            return asset
        if asset["status"] == "failed":
            raise StoryError(f"the import failed: {asset['metadata']['error']}")
        time.sleep(POLL_S)
    raise StoryError(f"the asset {asset_id} did not become ready")


def state(installation: Installation) -> str:
    """Return what a person would look at first when it did not work."""
    kube, namespace = installation.kube, installation.namespace
    objects = kube.kubectl("get", "mediaimports,jobs,pods", "-o", "wide", namespace=namespace)
    return objects + "\n" + kube.kubectl("get", "events", "--sort-by=.lastTimestamp", namespace=namespace)


def look(
    installation: Installation,
    replicate: StandIn,
    environment: Mapping[str, str],
    shown: dict[str, Any],
) -> Evidence:
    """Collect what every side says about the stored asset."""
    kube, name = installation.kube, shown["import_job_id"]
    status = kube.get("mediaimport", name, namespace=installation.namespace)["status"]
    file = str(Settings().media_file)
    hashed = kube.kubectl("exec", f"deployment/{NAME}", "--", "sha256sum", file, namespace=replicate.namespace)
    tls = ssl.create_default_context(cafile=environment.get("S3_CA_BUNDLE"))
    return gather(
        status=status, shown=shown, source_sha256=hashed.split()[0], store=_store(environment), fetch=fetcher(tls)
    )


def _store(environment: Mapping[str, str]) -> S3Client:
    settings = StoreSettings.read(Environment(environment))
    return boto3.client("s3", **settings.client_arguments(Config))


def show(installation: Installation, evidence: Evidence, tell: Telling) -> None:
    """Show what a person wants to see, and keep the thumbnail."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    thumbnail, document = OUTPUT / "thumbnail.jpg", OUTPUT / "asset.json"
    thumbnail.write_bytes(evidence.thumbnail)
    document.write_text(json.dumps(evidence.shown, indent=2) + "\n")
    table = installation.kube.kubectl("get", "mediaimports", namespace=installation.namespace)
    tell.show(f"kubectl -n {installation.namespace} get mediaimports", table)
    tell.show(f"GET /api/v1/media/{evidence.shown['id']}   (whole: {document})", _readable(evidence.shown))
    tell.show("What holds", "\n".join(map(str, evidence.claims())))
    tell.show("The thumbnail", str(thumbnail.resolve()))


def next_commands(installation: Installation, name: str) -> str:
    """Return the three commands to try next."""
    own = {
        "apiVersion": "mediaimport.dev/v1alpha1",
        "kind": "MediaImport",
        "metadata": {"generateName": "pixel-"},
        "spec": {"source": {"url": PIXEL}},
    }
    kubectl = f"kubectl -n {installation.namespace}"
    return "\n".join([
        'eval "$(make -s env)"',
        "",
        f"{kubectl} describe mediaimport {name}",
        f"echo '{json.dumps(own)}' | {kubectl} create -f -",
        f"{kubectl} get mediaimports -o wide --watch",
    ])  # fmt: skip


def _readable(shown: dict[str, Any]) -> str:
    """Return the JSON with the long signatures cut off."""
    urls = {key: value.partition("?")[0] + "?…" for key, value in shown.items() if key in {"url", "thumbnail_url"}}
    return json.dumps(shown | urls, indent=2)
