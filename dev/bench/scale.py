"""`make bench-scale`: thousands of imports on a node on paper; beside them as many bare Jobs at the same cap.

SCALE_IMPORTS (1000) says how many, SCALE_CAP (200) how many at a time.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kubernetes.aio import client, config, watch
from mediaimport_api import names
from mediaimport_api.environment import Environment
from mediaimport_operator import manifest, resource
from mediaimport_operator.settings import Settings

import dev.cluster
from dev.bench.figures import FOLDER, Bar, Figure, report
from dev.bench.operator_process import OperatorProcess
from dev.kube import Kube
from dev.kwok.node import PLACEMENT, paper_node

NAMESPACE, BARE = "operator-scale", "operator-scale-bare"
CREATORS = 16
COUNT = 1000
TIMEOUT_S = 3600.0
IDLE_S = 60.0


@dataclass(frozen=True)
class Run:
    """So many imports, ended."""

    wall_s: float
    cpu_s: float
    requests: float
    peak_mb: float


def mediaimport(number: int) -> dict[str, Any]:
    """Return one of the imports: of ten users, some with an expiry."""
    source: dict[str, Any] = {"url": f"https://media.example/{number}/video.mp4?signature={number:064}"}
    if number % 2:
        source["expiresAt"] = "2099-01-01T00:00:00Z"
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": f"film-{number:06}"},
        "spec": {"source": source, "userId": f"user-{number % 10}", "tags": ["ai-generated"]},
    }


async def create_imports(count: int) -> None:
    """Create them as fast as the API takes them."""
    await config.load_kube_config(os.environ["KUBECONFIG"])  # type: ignore[no-untyped-call]
    numbers = iter(range(count))
    async with client.ApiClient() as api:
        objects = client.CustomObjectsApi(api)

        async def create() -> None:
            for number in numbers:
                await objects.create_namespaced_custom_object(
                    names.GROUP, names.VERSION, NAMESPACE, names.PLURAL, mediaimport(number)
                )

        await asyncio.gather(*(create() for _ in range(CREATORS)))


def bare_job(number: int, settings: Settings) -> dict[str, Any]:
    """Return the very Job that the operator would make, but nobody's."""
    meta = {"namespace": BARE, "uid": str(uuid4()), "creationTimestamp": "2030-01-01T00:00:00Z"}
    item = mediaimport(number)
    made = manifest.job(resource.read(item | {"metadata": item["metadata"] | meta}), settings, attempt=1)
    del made["metadata"]["ownerReferences"]
    return made


async def bare_jobs(count: int, cap: int, settings: Settings) -> float:
    """Keep `cap` Jobs running until `count` have ended; return the seconds."""
    await config.load_kube_config(os.environ["KUBECONFIG"])  # type: ignore[no-untyped-call]
    async with client.ApiClient() as api:
        batch, begun_s = client.BatchV1Api(api), time.monotonic()
        slots, ended = asyncio.Semaphore(cap), set[str]()

        async def create(number: int) -> None:
            job: Any = bare_job(number, settings)
            await batch.create_namespaced_job(BARE, job)

        async def create_all() -> None:
            for number in range(count):
                await slots.acquire()
                await create(number)

        creating = asyncio.create_task(create_all())
        while len(ended) < count:
            stream = watch.Watch().stream(batch.list_namespaced_job, BARE, _request_timeout=3600)  # type: ignore[no-untyped-call]
            async for event in stream:
                job = event["raw_object"]
                name, status = job["metadata"]["name"], job.get("status") or {}
                if status.get("succeeded") and name not in ended:
                    ended.add(name)
                    slots.release()
                if len(ended) >= count:
                    break
        await creating
        return time.monotonic() - begun_s


def settings_of_bare() -> Settings:
    """Return the settings of the operator that we compare with."""
    variables = {
        "OPERATOR_NAMESPACE": BARE, "INSTANCE": BARE, "IMPORTER_IMAGE": "paper", "PROBER_IMAGE": "paper",
        "S3_BUCKET_NAME": "scale", "IMPORTER_PLACEMENT": json.dumps(PLACEMENT),
    }  # fmt: skip
    return Settings.read(Environment(variables))


def imports(operator: OperatorProcess, count: int) -> Run:
    """Create the imports and wait until all are Ready."""
    requests, cpu_s, begun_s = operator.figure("api_requests_total"), operator.cpu_s, time.monotonic()
    asyncio.run(create_imports(count))
    operator.await_figure("imports_completed_total", count, timeout_s=TIMEOUT_S, result="ready")
    return Run(
        time.monotonic() - begun_s,
        operator.cpu_s - cpu_s,
        operator.figure("api_requests_total") - requests,
        operator.peak_mb,
    )


def restarted(kube: Kube, count: int, start: Any) -> tuple[float, float]:  # noqa: ANN401  a function of ours
    """Stop the operator with half of the imports to do; return seconds to the first new Job, and the peak memory."""
    half = count // 2
    again = "\n".join(f"film-{number:06}" for number in range(half)).split()
    for first in range(0, len(again), 500):
        patch = json.dumps({"spec": {"run": "again"}})
        kube.kubectl("patch", "mi", *again[first : first + 500], "--type=merge", "-p", patch, namespace=NAMESPACE)
    operator: OperatorProcess = start()
    try:
        first_s = operator.await_figure("api_requests_total", 1, timeout_s=120, method="POST", resource="jobs")
        operator.await_figure("imports_completed_total", half, timeout_s=TIMEOUT_S, result="ready")
        return first_s, operator.peak_mb
    finally:
        operator.stop()


def idle(operator: OperatorProcess) -> tuple[float, float]:
    """Return CPU-seconds and requests in a minute in which nothing happens."""
    cpu_s, requests = operator.cpu_s, operator.figure("api_requests_total")
    time.sleep(IDLE_S)
    return operator.cpu_s - cpu_s, operator.figure("api_requests_total") - requests


def fresh_namespaces(kube: Kube) -> None:
    """Make both namespaces anew."""
    kube.kubectl("delete", "namespace", NAMESPACE, BARE, "--ignore-not-found", "--wait")
    for name in (NAMESPACE, BARE):
        kube.kubectl("create", "namespace", name)
        kube.kubectl("wait", "serviceaccount/default", "--for=create", "--timeout=60s", namespace=name)


def main() -> None:
    """Measure and report."""
    count, cap = int(os.environ.get("SCALE_IMPORTS", COUNT)), int(os.environ.get("SCALE_CAP", "200"))
    environment = dev.cluster.environment()
    kube = Kube(environment)
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    fresh_namespaces(kube)
    with ExitStack() as stack:
        log = stack.enter_context((FOLDER / "scale.log").open("w"))
        stack.enter_context(paper_node(kube, log=log))

        def start() -> OperatorProcess:
            return OperatorProcess.start(environment, namespace=NAMESPACE, cap=cap, placement=PLACEMENT, log=log)

        operator = start()
        try:
            operator.await_figure("lease_held", 1, timeout_s=60)
            run = imports(operator, count)
            idle_cpu_s, idle_requests = idle(operator)
        finally:
            operator.stop()
        bare_s = asyncio.run(bare_jobs(count, cap, settings_of_bare()))
        first_s, peak_mb = restarted(kube, count, start)
    kube.kubectl("delete", "namespace", NAMESPACE, BARE, "--wait=false")
    load = os.getloadavg()[2]
    report(
        "scale" if count == COUNT else f"scale-{count}",
        [
            Figure(f"imports finished, of {count} at cap {cap}", count / run.wall_s * 60, "/min", count / bare_s * 60),
            Figure("imports over as many bare Jobs", run.wall_s / bare_s, "x", 1, Bar(1.5)),
            Figure("API requests per import", run.requests / count, "", None),
            Figure("operator CPU per import", run.cpu_s / count * 1000, "ms", None),
            Figure("operator peak memory", max(run.peak_mb, peak_mb), "MB", None, Bar(250)),
            Figure("restart to first new Job, half of them to do", first_s, "s", None, Bar(15)),
            Figure("idle: operator CPU per minute", idle_cpu_s, "s", None),
            Figure("idle: API requests per minute", idle_requests, "", None),
            Figure("load of this machine, 15 min", load, "", None),
        ],
    )
