"""`make bench-pace`: pictures of 200 KB on the idle cluster, one after another: stages to Ready, and what each costs.

PACE_IMPORTS (20) is how many. A bare pod of the importer's image is started as often in the same run.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kubernetes import client, config
from mediaimport_api import names
from prometheus_client.parser import text_string_to_metric_families

import dev.cluster
from dev.bench.figures import Bar, Figure, Sheet, percentile, report
from dev.bench.operator import load
from dev.bench.operator.stages import Stages, medians
from dev.bench.reach import reached
from dev.bench.webhook import latency
from dev.bench.webhook.first_seen import Sightings
from dev.cluster.kubectl import Kube
from tests.support.installation.helm import Installation, install
from tests.support.replicate.callbacks import finished_prediction, signed
from tests.support.replicate.manifest import NAME, deploy
from tests.support.replicate.prediction import new_id
from tests.support.replicate.scenario import File
from tests.support.replicate.settings import API_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

NAMESPACE = "mediaimport-bench-pace"
_TIMEOUT_S = 120.0
_IDLE_S = 20.0
_JOB_S = 5
"""Time for which the operator keeps a successful Job here, so that its deletion is part of what an import costs."""
_PREFIX = "mediaimport_operator_"
_IDLE_REQUESTS = frozenset({"leases", "other"})


@dataclass(frozen=True)
class Usage:
    """Consumption of an operator since its start."""

    at_s: float
    cpu_s: float
    requests: float
    status_writes: float
    reconciles: float

    @classmethod
    def of(cls, metrics: str, at_s: float) -> Usage:
        """Return what its metrics say: requests without watches, and without the Lease's."""
        cpu_s = requests = writes = reconciles = 0.0
        families = text_string_to_metric_families(metrics)
        for sample in (each for family in families for each in family.samples):
            if sample.name == "process_cpu_seconds_total":
                cpu_s += sample.value
            if sample.name == f"{_PREFIX}reconcile_total":
                reconciles += sample.value
            if sample.name == f"{_PREFIX}api_requests_total" and _counts(sample.labels):
                requests += sample.value
                writes += sample.value if sample.labels["resource"] == "mediaimports/status" else 0
        return cls(at_s, cpu_s, requests, writes, reconciles)

    def each(self, before: Usage, count: int, *, idle_cpu: float) -> Usage:
        """Return the usage of one of so many imports since `before`, less the CPU seconds a second of an idle one."""
        took_s = self.at_s - before.at_s
        return Usage(
            took_s / count,
            (self.cpu_s - before.cpu_s - idle_cpu * took_s) / count,
            (self.requests - before.requests) / count,
            (self.status_writes - before.status_writes) / count,
            (self.reconciles - before.reconciles) / count,
        )


def _counts(labels: dict[str, str]) -> bool:
    """Tell whether a request is one that an import asks for: no watch, no list of a resync, no Lease."""
    listed = labels["method"] == "GET" and labels["resource"] in {"mediaimports", "jobs", "pods"}
    return labels["method"] != "WATCH" and labels["resource"] not in _IDLE_REQUESTS and not listed


def ended_pod(pod: dict[str, Any]) -> str | None:
    """Return the name of a bare pod whose container has ended."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    ended = any("terminated" in each.get("state", {}) for each in statuses)
    return str(pod["metadata"]["name"]) if ended else None


def bare_pod(name: str, image: str) -> dict[str, Any]:
    """Return a pod that does nothing, as restricted as an importer's."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "bare", "image": image, "command": ["python", "-c", "pass"], "securityContext": security}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"bench": "bare"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


@dataclass(frozen=True)
class Bench:
    """Clients of a release and of the stand-in, and watches."""

    image: str
    webhook: httpx.Client
    replicate: httpx.Client
    metrics: httpx.Client
    ready: Sightings
    pods: Sightings
    stages: Stages
    seen: list[dict[str, float]] = field(default_factory=list)
    """The stages of each import."""

    def usage(self) -> Usage:
        """Return what the operator has used so far."""
        return Usage.of(self.metrics.get("/metrics").raise_for_status().text, time.monotonic())

    def import_s(self) -> float:
        """Return the time from a callback to its Ready import."""
        _pause()
        prediction, url = new_id(), latency.picture_url(self.replicate)
        body = finished_prediction(url, prediction=prediction)
        begun_s = time.monotonic()
        self.webhook.post("/api/v1/replicate/webhook", content=body, headers=signed(body)).raise_for_status()
        name = names.prediction_resource_name("replicate", prediction, "")
        took_s = self.ready.await_name(name, timeout_s=_TIMEOUT_S) - begun_s
        self.seen.append(self.stages.of(name, begun_s=begun_s))
        return took_s

    def bare_s(self) -> float:
        """Return the time from the creation of a bare pod to the end of its container."""
        _pause()
        name = f"bare-{new_id()}"
        begun_s = time.monotonic()
        client.CoreV1Api().create_namespaced_pod(NAMESPACE, bare_pod(name, self.image))  # type: ignore[arg-type]
        return self.pods.await_name(name, timeout_s=_TIMEOUT_S) - begun_s

    def settle(self) -> None:
        """Wait until the operator has deleted all Jobs, and has nothing more to do for them."""
        deadline = time.monotonic() + _TIMEOUT_S
        while client.BatchV1Api().list_namespaced_job(NAMESPACE, label_selector=names.LABEL_UID).items:
            if time.monotonic() > deadline:
                raise TimeoutError("the operator has not deleted its Jobs")
            time.sleep(0.5)
        time.sleep(2)


def _pause() -> None:
    """Wait up to a second: the kubelet sees ends once a second, and whoever follows one would always wait as long."""
    time.sleep(random.random())  # noqa: S311 - no secret


def _followed(list_function: Callable[..., Any], name_of: Callable[[dict[str, Any]], str | None]) -> Sightings:
    found = Sightings(list_function, {"namespace": NAMESPACE}, name_of)
    found.follow()
    return found


def set_up(stack: ExitStack) -> Bench:
    """Install a release of its own and reach it; the namespace is removed at the end."""
    environment = dev.cluster.environment()
    kube = Kube(environment)
    installation = Installation(kube, namespace=NAMESPACE, release="pace")
    stand_in = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=f"{NAMESPACE}-replicate")
    for each in (NAMESPACE, stand_in.namespace):
        stack.callback(load.remove_namespace, kube, each)
    install(installation, environment, replicate=stand_in, values={"operator": {"successfulJobSeconds": _JOB_S}})
    kube.wait_for_rollout(NAME, namespace=stand_in.namespace)
    config.load_kube_config(environment["KUBECONFIG"])  # type: ignore[no-untyped-call]
    ready, token = latency.ready_imports(NAMESPACE), f"Bearer {API_TOKEN}"
    return Bench(
        environment["MEDIAIMPORT_IMAGE"],
        reached(stack, kube, installation.webhook, 80, namespace=NAMESPACE),
        reached(stack, kube, stand_in.target, 80, namespace=stand_in.namespace, authorization=token),
        reached(stack, kube, "service/pace-operator-metrics", 9090, namespace=NAMESPACE),
        ready,
        _followed(client.CoreV1Api().list_namespaced_pod, ended_pod),
        Stages.follow(NAMESPACE),
    )


def main() -> Sheet:
    """Measure and report."""
    count = int(os.environ.get("PACE_IMPORTS", "20"))
    with ExitStack() as stack:
        bench = set_up(stack)
        bench.import_s()  # the first pulls images and fills caches
        bench.settle()
        idle = bench.usage()
        time.sleep(_IDLE_S)
        before = bench.usage()
        bench.seen.clear()
        idle_cpu = (before.cpu_s - idle.cpu_s) / (before.at_s - idle.at_s)
        imports_s = [bench.import_s() for _ in range(count)]
        bench.settle()
        each = bench.usage().each(before, count, idle_cpu=idle_cpu)
        bare_s = [bench.bare_s() for _ in range(count)]
    ready_s, pod_s = percentile(imports_s, 50), percentile(bare_s, 50)
    return report(
        "pace",
        [
            Figure("webhook to Ready, p50", ready_s, "s", pod_s, Bar(2.0)),
            Figure("webhook to Ready, p95", percentile(imports_s, 95), "s"),
            Figure("a bare pod, from its creation to its end, p50", pod_s, "s"),
            *medians(bench.seen),
            Figure("webhook to Ready over that pod", ready_s / pod_s, "x", 1, Bar(1.3)),
            Figure("operator CPU of an import", each.cpu_s * 1000, "ms", None, Bar(15)),
            Figure("API requests of an import", each.requests, "", None, Bar(5)),
            Figure("status writes of an import", each.status_writes, "", None, Bar(3)),
            Figure("reconciles of an import", each.reconciles, ""),
            Figure("operator CPU when idle", idle_cpu * 60, "s/min"),
        ],
        form={"imports": count, "file": File.PICTURE},
    )
