"""Tekton's controller (https://tekton.dev) on the development cluster: compiled, with its release's own settings.

Its webhook is left out: the definitions convert nothing, and each TaskRun is created with the defaults that the webhook
would give it.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.request import urlopen

import yaml
from prometheus_client.parser import text_string_to_metric_families

from dev.bench.operator import load, process_usage
from dev.bench.operator.capped_loop import Work
from dev.cluster import addresses, control
from dev.cluster.cache import Cache
from dev.cluster.node.processes import Process
from dev.cluster.programs import go
from dev.cluster.waiting import until
from tests.support.kwok.node import PLACEMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dev.cluster.kubectl import Kube, Object

NAMESPACE = "tekton-pipelines"
"""Namespace of its release."""
TUNED = ("-kube-api-qps=1000", "-kube-api-burst=2000", "-threads-per-controller=32")
"""Options without which it sends twenty requests a second."""
_METRICS = f"http://{addresses.NODE}:9090/metrics"
_MODULE = "github.com/tektoncd/pipeline"
_START_S = 60.0
_LABELS = {"app.kubernetes.io/managed-by": "tekton-pipelines"}
"""Without it the controller sees no pod of the TaskRun."""


@cache
def _source() -> Path:
    return go.source(go.TEKTON, _MODULE)


def version() -> str:
    """Return its version."""
    return _source().name.rpartition("@")[2]


def objects(files: Iterable[Path]) -> list[Object]:
    """Return the objects in files of YAML."""
    read = (yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader) for file in files)  # tens of thousands of lines
    return [each for documents in read for each in documents if each]


def definition(manifest: Object) -> Object:
    """Return a resource definition that asks no webhook for conversions."""
    spec = {key: value for key, value in manifest["spec"].items() if key != "conversion"}
    return {**manifest, "spec": spec}


@dataclass(frozen=True)
class RunningController:
    """Use of the running controller so far. `folder`: that in /proc."""

    folder: Path

    @property
    def cpu_s(self) -> float:
        """Return the processor time that it has used."""
        return process_usage.cpu_s(self.folder)

    @property
    def peak_mb(self) -> float:
        """Return the most memory that it has had."""
        return process_usage.peak_mb(self.folder)

    @property
    def requests(self) -> float:
        """Return how many requests it has sent."""
        with urlopen(_METRICS, timeout=10) as answer:
            return sent(answer.read().decode())


def sent(metrics: str) -> float:
    """Return how many requests its client has sent, from its metrics."""
    samples = (each for family in text_string_to_metric_families(metrics) for each in family.samples)
    return sum(each.value for each in samples if each.name.startswith("tekton_pipelines_controller_client_results"))


def task_runs(namespace: str) -> Work:
    """Return TaskRuns of one empty step on the fake node."""
    path = f"/apis/tekton.dev/v1/namespaces/{namespace}/taskruns"
    return Work(path=path, watched=path, manifest=_task_run, ended=succeeded)


def _task_run(number: int) -> Object:
    # The controller would ask a registry for the command of a step without one.
    step = {"name": "empty", "image": "fake", "command": ["true"]}
    spec = {
        "serviceAccountName": "default",
        "timeout": "1h0m0s",
        "podTemplate": PLACEMENT,
        "taskSpec": {"steps": [step]},
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": load.film(number), "labels": _LABELS},
        "spec": spec,
    }


def succeeded(task_run: Object) -> str | None:
    """Return its name if it has succeeded; RuntimeError if it has failed."""
    conditions = (task_run.get("status") or {}).get("conditions") or []
    condition = next((each for each in conditions if each["type"] == "Succeeded"), {"status": "Unknown"})
    name = str(task_run["metadata"]["name"])
    if condition["status"] == "False":
        raise RuntimeError(f"the TaskRun {name} has failed: {condition.get('message')}")
    return name if condition["status"] == "True" else None


def process(deployment: Object, *, program: Path, kubeconfig: Path, options: Sequence[str]) -> Process:
    """Return the process that the Deployment of the release would run, with more options."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    # Its certificates are in a volume that only the Deployment has.
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    own = {"SYSTEM_NAMESPACE": NAMESPACE, "KUBECONFIG": str(kubeconfig), "METRICS_PROMETHEUS_HOST": addresses.NODE}
    argv = (str(program), *container["args"], *options)
    return Process("tekton", argv, tuple({**variables, **own}.items()))


@contextmanager
def controller(kube: Kube, *, options: Sequence[str] = ()) -> Iterator[RunningController]:
    """Run the controller while the block runs, with its definitions and settings."""
    plan = _plan(options)
    remove(kube)
    try:
        _install(kube)
        with control.running(plan) as node:
            until(lambda: node.pid_of(plan) is not None, timeout_s=_START_S, what="Tekton's controller is running")
            yield RunningController(node.proc_folder(plan))
    finally:
        remove(kube)


def remove(kube: Kube) -> None:
    """Remove the controller, which only a killed run leaves, its definitions and its namespace."""
    control.end(_plan())
    kube.kubectl("delete", *_names(), "--ignore-not-found", "--wait")
    load.remove_namespace(kube, NAMESPACE)


def _plan(options: Sequence[str] = ()) -> Process:
    manifests = objects([_source() / "config/controller.yaml"])
    (deployment,) = (each for each in manifests if each["kind"] == "Deployment")
    program = go.built(go.TEKTON.name) / go.TEKTON.name
    return process(deployment, program=program, kubeconfig=Cache.of(os.environ).kubeconfig, options=options)


@cache
def _definitions() -> list[Object]:
    return [definition(each) for each in objects(sorted((_source() / "config/300-crds").glob("*.yaml")))]


def _install(kube: Kube) -> None:
    files = sorted((_source() / "config").glob("config-*.yaml"))
    settings = [each for each in objects(files) if each["kind"] == "ConfigMap"]
    load.fresh_namespace(kube, NAMESPACE)
    items = [*_definitions(), *settings]
    # Not applied: the annotation would be longer than allowed.
    kube.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    kube.kubectl("wait", *_names(), "--for=condition=Established", f"--timeout={_START_S:.0f}s")


def _names() -> list[str]:
    return [f"customresourcedefinition/{each['metadata']['name']}" for each in _definitions()]
