"""Steps of the demo: install, generate, wait for the import, inspect the result."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from dev.demo.evidence import Evidence, fetcher, gather
from dev.postgresql import manifest as postgresql
from tests.support.installation.helm import Installation, install, merged, other_owner
from tests.support.replicate.manifest import NAME, StandIn, deploy
from tests.support.replicate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx
    from mypy_boto3_s3 import S3Client

    from dev.cluster.kubectl import Kube
    from dev.demo.output import Output
    from dev.postgresql.manifest import Database
    from tests.support.installation.helm import Values

ALIAS = "wan-video-t2v"
REQUEST = {"prompt": "a rabbit wakes up in a meadow", "size": "720p", "duration": "5s"}
FOLDER = Path("build/demo")
POLL_S = 0.1
TIMEOUT_S = 90
QUERY = (
    "SELECT id, name, status, file_metadata->>'duration' AS duration FROM media_assets ORDER BY created_at DESC LIMIT 5"
)
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


class DemoError(Exception):
    """A step failed; the text says which."""


@dataclass(frozen=True)
class Surroundings:
    """Surroundings of the demo: the release, the stand-in for Replicate, and the catalogue's database."""

    installation: Installation
    replicate: StandIn
    database: Database


def set_up(kube: Kube, environment: Mapping[str, str], output: Output, *, values: Values | None = None) -> Surroundings:
    """Deploy the stand-in for Replicate and PostgreSQL, and install the chart; `values` override the environment's."""
    installation = Installation(kube)
    output.step("starting PostgreSQL, the catalogue's database")
    database = postgresql.deploy(kube, image=environment["MEDIAIMPORT_POSTGRESQL_IMAGE"])
    database.admit(installation.namespace)
    output.step("starting the stand-in for Replicate")
    replicate = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"])
    owner = other_owner(installation)
    if owner:
        output.step(f"the resource definition belongs to {owner}: this release takes it over")
    option = " --take-ownership" if owner else ""
    output.step(f"helm upgrade --install {installation.release} charts/mediaimport --wait{option}")
    chosen = merged(database.values, values or {})
    install(installation, environment, replicate=replicate, values=chosen, adopt=owner is not None)
    kube.wait_for_rollout(NAME, namespace=replicate.namespace)
    return Surroundings(installation, replicate, database)


def generate(webhook: httpx.Client, output: Output) -> dict[str, Any]:
    """Generate a video; return the webhook's JSON of its asset once it is ready."""
    answer = webhook.post(f"/api/v1/replicate/{ALIAS}", json=REQUEST)
    output.step(f"POST /api/v1/replicate/{ALIAS} → {answer.status_code} {answer.text}")
    if not answer.is_success:
        raise DemoError(f"the webhook did not start the prediction: {answer.status_code} {answer.text}")
    job = answer.json()["job_id"]
    asset_id = _first_asset(webhook, output, job)
    return _ready_asset(webhook, output, asset_id)


def _first_asset(webhook: httpx.Client, output: Output, job: str) -> str:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        prediction = webhook.get(f"/api/v1/replicate/predictions/{job}").raise_for_status().json()
        if prediction["assets"]:
            output.step("signed callback accepted: the MediaImport exists")
            return str(prediction["assets"][0]["id"])
        output.step(f"prediction {job}: {prediction['status']}")
        time.sleep(POLL_S)
    raise DemoError(f"no callback of the prediction {job} created an import within {TIMEOUT_S} s")


def _ready_asset(webhook: httpx.Client, output: Output, asset_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        asset: dict[str, Any] = webhook.get(f"/api/v1/media/{asset_id}").raise_for_status().json()
        step = f", {asset['progress']['step']}" if asset["progress"] and asset["status"] == "uploading" else ""
        output.step(f"MediaImport {asset['import_job_id']}: {asset['phase']}{step}")
        if asset["status"] == "ready":
            return asset
        if asset["status"] == "failed":
            raise DemoError(f"the import failed: {asset['metadata']['error']}")
        time.sleep(POLL_S)
    raise DemoError(f"the asset {asset_id} was not ready within {TIMEOUT_S} s")


def state(installation: Installation) -> str:
    """Return resources, Jobs, pods and Events, for a failure."""
    kube, namespace = installation.kube, installation.namespace
    objects = kube.kubectl("get", "mediaimports,jobs,pods", "-o", "wide", namespace=namespace)
    return objects + "\n" + kube.kubectl("get", "events", "--sort-by=.lastTimestamp", namespace=namespace)


def inspect(around: Surroundings, environment: Mapping[str, str], shown: dict[str, Any]) -> Evidence:
    """Collect the source's, the resource's, the webhook's, the store's and the database's account of the asset."""
    kube, name = around.installation.kube, shown["import_job_id"]
    status = kube.get("mediaimport", name, namespace=around.installation.namespace)["status"]
    file = str(Settings().media_file)
    hashed = kube.kubectl("exec", f"deployment/{NAME}", "--", "sha256sum", file, namespace=around.replicate.namespace)
    tls = ssl.create_default_context(cafile=environment.get("S3_CA_BUNDLE"))
    evidence = gather(
        status=status, shown=shown, source_sha256=hashed.split()[0], store=_store(environment), fetch=fetcher(tls)
    )
    return replace(evidence, row=_recorded(around.database, shown["id"]))


def _recorded(database: Database, asset_id: str) -> dict[str, Any]:
    """Return the asset's row once it is ready: it is written a moment after the webhook has shown the asset."""
    deadline = time.monotonic() + TIMEOUT_S
    query = f"SELECT * FROM media_assets WHERE id = '{asset_id}' AND status = 'ready'"  # noqa: S608 - an id has no quote
    while not (found := database.rows(query)):
        if time.monotonic() > deadline:
            raise DemoError(f"the catalogue had no row of the asset {asset_id} within {TIMEOUT_S} s")
        time.sleep(POLL_S)
    return found[0]


def _store(environment: Mapping[str, str]) -> S3Client:
    settings = StoreSettings.read(Environment(environment))
    return boto3.client("s3", **settings.client_arguments(Config))


def show(around: Surroundings, evidence: Evidence, output: Output) -> None:
    """Print the asset and the claims; write thumbnail and JSON to build/demo."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    thumbnail, document = FOLDER / "thumbnail.jpg", FOLDER / "asset.json"
    thumbnail.write_bytes(evidence.thumbnail)
    document.write_text(json.dumps(evidence.shown, indent=2) + "\n")
    installation = around.installation
    table = installation.kube.kubectl("get", "mediaimports", namespace=installation.namespace)
    output.show(f"kubectl -n {installation.namespace} get mediaimports", table)
    output.show(f"psql: {QUERY}", around.database.psql(QUERY))
    output.show(f"GET /api/v1/media/{evidence.shown['id']}   (whole: {document})", _readable(evidence.shown))
    output.show("Claims", "\n".join(map(str, evidence.claims())))
    output.show("Thumbnail", str(thumbnail.resolve()))


def next_commands(around: Surroundings, name: str, *, shell: str) -> str:
    """Return the commands to try next, and the gallery's address."""
    own = {
        "apiVersion": "mediaimport.dev/v1alpha1",
        "kind": "MediaImport",
        "metadata": {"generateName": "pixel-"},
        "spec": {"source": {"url": PIXEL}},
    }
    installation, database = around.installation, around.database
    kubectl = f"kubectl -n {installation.namespace}"
    return "\n".join([
        shell,
        "",
        f"{kubectl} describe mediaimport {name}",
        f"echo '{json.dumps(own)}' | {kubectl} create -f -",
        f"{kubectl} get mediaimports -o wide --watch",
        f"kubectl -n {database.namespace} exec -it deployment/{postgresql.NAME} -- psql",
        "",
        "# the gallery, with the token that the second command prints: http://127.0.0.1:8080/gallery",
        "# it shows pictures in a browser that trusts the certificate of the store's authority",
        f"{kubectl} port-forward {installation.webhook} 8080:80",
        f"{kubectl} get secret {installation.release}-first-token -o jsonpath='{{.data.token}}' | base64 -d; echo",
    ])  # fmt: skip


def _readable(shown: dict[str, Any]) -> str:
    """Return the JSON with the signatures of URLs cut off."""
    urls = {key: value.partition("?")[0] + "?…" for key, value in shown.items() if key in {"url", "thumbnail_url"}}
    return json.dumps(shown | urls, indent=2, ensure_ascii=False)
