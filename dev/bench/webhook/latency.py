"""`make bench-webhook`: from a signed webhook to its Job, and to a Ready import of 10 MB, on the idle cluster."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes import client, config
from mediaimport_api import names

import dev.cluster
from dev.bench.figures import Bar, Figure, Sheet, percentile, report
from dev.bench.reach import reached
from dev.bench.webhook.first_seen import Sightings
from dev.cluster.kubectl import Kube
from tests.support.installation.helm import Installation, install
from tests.support.replicate.callbacks import finished_prediction, signed
from tests.support.replicate.manifest import NAME, StandIn, deploy
from tests.support.replicate.prediction import new_id
from tests.support.replicate.scenario import File
from tests.support.replicate.settings import API_TOKEN

if TYPE_CHECKING:
    import httpx

NAMESPACE = "mediaimport-bench"
ROUNDS = 50
SIZE_BYTES = 10_000_000
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Bench:
    """Clients of webhook and stand-in, and watches of Jobs and Ready imports."""

    webhook: httpx.Client
    replicate: httpx.Client
    jobs: Sightings
    ready: Sightings


@dataclass(frozen=True)
class Round:
    """Seconds from sending a callback to its answer, to its Job and to its Ready import."""

    answer_s: float
    job_s: float
    ready_s: float


def film_url(replicate: httpx.Client) -> str:
    """Have the stand-in make a film of SIZE_BYTES, and return its URL."""
    return _file_url(replicate, {"size_bytes": SIZE_BYTES})


def picture_url(replicate: httpx.Client) -> str:
    """Have the stand-in make a picture of 200 KB, and return its URL."""
    return _file_url(replicate, {"file": File.PICTURE})


def _file_url(replicate: httpx.Client, scenario: dict[str, object]) -> str:
    body = {"input": {"prompt": "a rabbit", "stand_in": {"seconds": 0, **scenario}}}
    prediction = replicate.post("/v1/models/stand-in/video/predictions", json=body).raise_for_status().json()
    deadline = time.monotonic() + TIMEOUT_S
    while prediction["status"] != "succeeded":
        if time.monotonic() > deadline:
            raise TimeoutError("the stand-in did not finish its prediction")
        prediction = replicate.get(f"/v1/predictions/{prediction['id']}").raise_for_status().json()
    return str(prediction["output"])


def once(bench: Bench) -> Round:
    """Send one webhook and wait until its import is Ready."""
    prediction = new_id()
    body = finished_prediction(film_url(bench.replicate), prediction=prediction)
    headers = signed(body)
    name = names.prediction_resource_name("replicate", prediction, "")
    start = time.monotonic()
    bench.webhook.post("/api/v1/replicate/webhook", content=body, headers=headers).raise_for_status()
    answered = time.monotonic()
    job = bench.jobs.await_name(name, timeout_s=TIMEOUT_S)
    ready = bench.ready.await_name(name, timeout_s=TIMEOUT_S)
    return Round(answered - start, job - start, ready - start)


def owner_name(job: dict[str, Any]) -> str | None:
    """Return the name of the import that a Job is of."""
    owners = job["metadata"].get("ownerReferences", [])
    return next((each["name"] for each in owners if each["kind"] == names.KIND), None)


def ready_name(resource: dict[str, Any]) -> str | None:
    """Return the import's name once it is Ready."""
    ready = resource.get("status", {}).get("phase") == "Ready"
    return str(resource["metadata"]["name"]) if ready else None


def ready_imports(namespace: str) -> Sightings:
    """Follow the imports of a namespace that become Ready."""
    kind = {"group": names.GROUP, "version": names.VERSION, "namespace": namespace, "plural": names.PLURAL}
    ready = Sightings(client.CustomObjectsApi().list_namespaced_custom_object, kind, ready_name)
    ready.follow()
    return ready


def sightings() -> tuple[Sightings, Sightings]:
    """Follow the Jobs and the MediaImports of the namespace."""
    jobs = Sightings(client.BatchV1Api().list_namespaced_job, {"namespace": NAMESPACE}, owner_name)
    jobs.follow()
    return jobs, ready_imports(NAMESPACE)


def set_up(stack: ExitStack) -> Bench:
    """Install a release of its own and reach it."""
    environment = dev.cluster.environment()
    kube = Kube(environment)
    installation = Installation(kube, namespace=NAMESPACE, release="bench")
    replicate: StandIn = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=f"{NAMESPACE}-replicate")
    install(installation, environment, replicate=replicate)
    kube.wait_for_rollout(NAME, namespace=replicate.namespace)
    config.load_kube_config(environment["KUBECONFIG"])  # type: ignore[no-untyped-call]
    jobs, ready = sightings()
    token = f"Bearer {API_TOKEN}"
    return Bench(
        reached(stack, kube, installation.webhook, 80, namespace=NAMESPACE),
        reached(stack, kube, replicate.target, 80, namespace=replicate.namespace, authorization=token),
        jobs,
        ready,
    )


def main() -> Sheet:
    """Measure and report; WEBHOOK_ROUNDS sets how many callbacks are sent."""
    count = int(os.environ.get("WEBHOOK_ROUNDS", str(ROUNDS)))
    with ExitStack() as stack:
        bench = set_up(stack)
        once(bench)  # the first pulls images and fills caches
        rounds = [once(bench) for _ in range(count)]
    answers, jobs, ready = (
        [each.answer_s for each in rounds],
        [each.job_s for each in rounds],
        [each.ready_s for each in rounds],
    )
    return report(
        "webhook",
        [
            Figure("webhook to its answer, p50", percentile(answers, 50), "s"),
            Figure("webhook to its answer, p99", percentile(answers, 99), "s"),
            Figure("webhook to Job, p50", percentile(jobs, 50), "s", None, Bar(0.25)),
            Figure("webhook to Job, p99", percentile(jobs, 99), "s", None, Bar(1.0)),
            Figure("webhook to Ready, 10 MB, p50", percentile(ready, 50), "s", None, Bar(6.0)),
            Figure("webhook to Ready, 10 MB, p99", percentile(ready, 99), "s", None, Bar(6.0)),
        ],
        form={"callbacks": count},
    )
