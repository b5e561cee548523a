"""`make bench-install`: how long Helm takes on the warm cluster, and what operator and shim need when idle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dev.cluster
from dev.bench.figures import Bar, Figure, report
from dev.install import Installation, install
from dev.kube import Kube
from dev.replicate.manifest import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = "mediaimport-bench-install"
IDLE_S = 20.0
TICKS_PER_SECOND = 100


@dataclass(frozen=True)
class Process:
    """The first process of a pod. Memory is what only it uses and what it shares, in MiB."""

    memory_mib: float
    cpu_s: float


def process(kube: Kube, component: str) -> Process:
    """Return what the kernel says of it."""
    command = ("exec", f"deployment/bench-{component}", "--", "cat")
    status = kube.kubectl(*command, "/proc/1/status", namespace=NAMESPACE)
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    fields = kube.kubectl(*command, "/proc/1/stat", namespace=NAMESPACE).rpartition(")")[2].split()
    return Process(kib / 1024, (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def idle(kube: Kube, component: str) -> list[Figure]:
    """Return what a program needs when nothing is asked of it."""
    before = process(kube, component)
    time.sleep(IDLE_S)
    after = process(kube, component)
    millicores = (after.cpu_s - before.cpu_s) / IDLE_S * 1000
    return [
        Figure(f"idle memory of the {component}", after.memory_mib, "MiB", bar=Bar(100)),
        Figure(f"idle CPU of the {component}", millicores, "mCPU"),
    ]


def main() -> None:
    """Measure and report."""
    environment = dev.cluster.environment()
    kube = Kube(environment)
    installation = Installation(kube, NAMESPACE, "bench")
    values = {"crds": {"enabled": False}}
    # Once before, so that the images are on the node and the resource definition on the cluster.
    install(installation, environment, replicate=StandIn("nowhere", "127.0.0.1"))
    kube.helm("uninstall", "bench", "--namespace", NAMESPACE, "--wait")

    def again() -> None:
        install(installation, environment, replicate=StandIn("nowhere", "127.0.0.1"), values=values)

    try:
        figures = [
            Figure("helm install --wait", timed(again), "s", bar=Bar(20)),
            Figure("helm test", timed(lambda: kube.helm("test", "bench", "--namespace", NAMESPACE)), "s", bar=Bar(60)),
            *idle(kube, "operator"),
            *idle(kube, "webhook"),
        ]
    finally:
        kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    report("install", figures)
