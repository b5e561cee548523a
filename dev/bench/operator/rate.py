"""`make bench-rate`: many pictures of 200 KB at once on one node: imports a minute, and the operator's CPU for each.

RATE_IMPORTS (200) is how many, RATE_CAP (20) how many at a time. With RATE_LAST=1 an earlier release, built by
`python -m dev.release.last REVISION`, imports as many in the same run.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes import config
from mediaimport_runtime.kubernetes.client import Call

import dev.cluster
from dev.bench.figures import Bar, Figure, Sheet, report
from dev.bench.operator import load
from dev.bench.operator.pace import Usage
from dev.bench.reach import reached
from dev.bench.webhook import latency
from dev.cluster.kubectl import Kube
from dev.release.last import LastRelease
from tests.support.installation.helm import CHART, Installation, install
from tests.support.replicate.manifest import NAME, StandIn, deploy
from tests.support.replicate.scenario import File
from tests.support.replicate.settings import API_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMESPACE = "mediaimport-bench-rate"
STAND_IN_NAMESPACE = f"{NAMESPACE}-replicate"
_TIMEOUT_S = 120.0
_IMPORT_TIMEOUT_S = 5.0
"""The longest that an import may take on average before the run is given up."""


@dataclass(frozen=True)
class Rate:
    """Imports that became Ready, the time that they took together, and the operator's CPU time."""

    ready: int
    wall_s: float
    cpu_s: float

    @property
    def per_minute(self) -> float:
        """Return the imports a minute."""
        return self.ready / self.wall_s * 60


@dataclass(frozen=True)
class Version:
    """Chart and images of a release."""

    chart: Path
    environment: Mapping[str, str]

    @classmethod
    def last(cls, environment: Mapping[str, str]) -> Version:
        """Return the earlier release that was built last; ClusterError without one."""
        old = LastRelease.read()
        images = {
            "MEDIAIMPORT_IMAGE": old.images["mediaimport"],
            "MEDIAIMPORT_FFMPEG_IMAGE": old.images["mediaimport-ffmpeg"],
        }
        return cls(old.chart, {**environment, **images})


def picture(number: int, url: str) -> dict[str, Any]:
    """Return one of the imports."""
    return {**load.mediaimport(number), "spec": {"source": {"url": url}, "userId": f"user-{number % 7}"}}


def measured(kube: Kube, version: Version, stand_in: StandIn, *, count: int, cap: int) -> Rate:
    """Install a version, import so many pictures, and remove it."""
    installation = Installation(kube, namespace=NAMESPACE, release="rate")
    with ExitStack() as stack:
        stack.callback(load.remove_namespace, kube, NAMESPACE)
        values = {"operator": {"maxInFlight": cap}}
        install(installation, version.environment, replicate=stand_in, values=values, chart=version.chart)
        metrics = reached(stack, kube, "service/rate-operator-metrics", 9090, namespace=NAMESPACE)
        token = f"Bearer {API_TOKEN}"
        replicate = reached(stack, kube, stand_in.target, 80, namespace=stand_in.namespace, authorization=token)
        url = latency.picture_url(replicate)
        ready = latency.ready_imports(NAMESPACE)
        _create(count, count + 1, url)  # the first pulls images and fills caches
        ready.await_name(load.film(count), timeout_s=_TIMEOUT_S)

        def usage() -> Usage:
            return Usage.of(metrics.get("/metrics").raise_for_status().text, time.monotonic())

        before = usage()
        _create(0, count, url)
        last_s = max(ready.await_name(load.film(each), timeout_s=count * _IMPORT_TIMEOUT_S) for each in range(count))
        return Rate(count, last_s - before.at_s, usage().cpu_s - before.cpu_s)


def _create(first: int, end: int, url: str) -> None:
    calls = [Call("POST", load.path(NAMESPACE), body=picture(each, url)) for each in range(first, end)]
    load.run(lambda api: load.send(api, calls))


def main() -> Sheet:
    """Measure and report."""
    count, cap = int(os.environ.get("RATE_IMPORTS", "200")), int(os.environ.get("RATE_CAP", "20"))
    environment = dev.cluster.environment()
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    kube = Kube(environment)
    config.load_kube_config(environment["KUBECONFIG"])  # type: ignore[no-untyped-call]
    with ExitStack() as stack:
        stand_in = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=STAND_IN_NAMESPACE)
        stack.callback(load.remove_namespace, kube, STAND_IN_NAMESPACE)
        kube.wait_for_rollout(NAME, namespace=STAND_IN_NAMESPACE)
        before = None
        if os.environ.get("RATE_LAST"):
            before = measured(kube, Version.last(environment), stand_in, count=count, cap=cap)
        now = measured(kube, Version(CHART, environment), stand_in, count=count, cap=cap)
    figures = [
        Figure("imports a minute", now.per_minute, "/min"),
        Figure("operator CPU of an import", now.cpu_s / count * 1000, "ms", None, Bar(15)),
    ]
    if before is not None:
        over = now.per_minute / before.per_minute
        figures += [
            Figure("the earlier release, imports a minute", before.per_minute, "/min"),
            Figure("its operator's CPU of an import", before.cpu_s / count * 1000, "ms"),
            Figure("imports a minute over the earlier release", over, "x", None, Bar(2.0, at_most=False)),
        ]
    return report("rate", figures, form={"imports": count, "cap": cap, "file": File.PICTURE})
