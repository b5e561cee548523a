"""`make bench-install`: duration of Helm on the warm cluster, and the cost of an idle operator and webhook."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dev.cluster
from dev.bench.figures import Bar, Figure, Sheet, report
from dev.cluster.kubectl import Kube
from tests.support.installation.helm import Installation, install
from tests.support.replicate.manifest import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE = "mediaimport-bench-install"
RELEASE = "bench"
PROGRAMS = ("operator", "webhook")
SETTLE_S = 10.0
IDLE_S = 30.0
TICKS_PER_SECOND = 100
NOBODY = StandIn("nowhere", "127.0.0.1")
EMPTY = "import time; open('/tmp/ready', 'w').close(); time.sleep(600)"
"""Program that is ready at once."""


@dataclass(frozen=True)
class Process:
    """The first process of a pod. Memory is what only it uses and what it shares, in MiB."""

    memory_mib: float
    cpu_s: float


def process(kube: Kube, target: str) -> Process:
    """Return memory and CPU time from /proc."""
    command = ("exec", target, "--", "cat")
    status = kube.kubectl(*command, "/proc/1/status", namespace=NAMESPACE)
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    fields = kube.kubectl(*command, "/proc/1/stat", namespace=NAMESPACE).rpartition(")")[2].split()
    return Process(kib / 1024, (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def idle(kube: Kube, *, empty_mib: float) -> list[Figure]:
    """Return what the programs need when they are idle."""
    time.sleep(SETTLE_S)
    before = {program: process(kube, f"deployment/{RELEASE}-{program}") for program in PROGRAMS}
    time.sleep(IDLE_S)
    after = {program: process(kube, f"deployment/{RELEASE}-{program}") for program in PROGRAMS}
    memory = [
        Figure(f"idle memory of the {program}", after[program].memory_mib, "MiB", limit=empty_mib, bar=Bar(100))
        for program in PROGRAMS
    ]
    cpu = {program: (after[program].cpu_s - before[program].cpu_s) / IDLE_S * 1000 for program in PROGRAMS}
    return memory + [Figure(f"idle CPU of the {program}", cpu[program], "mCPU") for program in PROGRAMS]


def empty_pod(image: str) -> list[dict[str, object]]:
    """Return a pod of the same image that does nothing: the lower limit of time and memory."""
    probe = {"exec": {"command": ["test", "-f", "/tmp/ready"]}, "periodSeconds": 1}  # noqa: S108 - the pod's own
    container = {"name": "empty", "image": image, "command": ["python", "-c", EMPTY], "startupProbe": probe}
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container | {"securityContext": confined}],
    }
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "empty", "namespace": NAMESPACE}, "spec": spec}]


def empty(kube: Kube, image: str) -> tuple[float, float]:
    """Return the seconds until such a pod is ready, and its memory in MiB."""

    def start() -> None:
        kube.apply(empty_pod(image))
        kube.kubectl("wait", "--for=condition=Ready", "pod/empty", "--timeout=60s", namespace=NAMESPACE)

    ready_s = timed(start)
    return ready_s, process(kube, "pod/empty").memory_mib


def main() -> Sheet:
    """Measure and report."""
    environment = dev.cluster.environment()
    kube = Kube(environment)
    kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    installation = Installation(kube, NAMESPACE, RELEASE)
    # First run: the node gets the images and the cluster the resource definition.
    install(installation, environment, replicate=NOBODY)
    kube.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    try:
        ready_s, empty_mib = empty(kube, environment["MEDIAIMPORT_IMAGE"])
        values = {"crds": {"enabled": False}}
        install_s = timed(lambda: install(installation, environment, replicate=NOBODY, values=values))
        test_s = timed(lambda: kube.helm("test", RELEASE, "--namespace", NAMESPACE))
        return report("install", [
            Figure("helm install --wait", install_s, "s", limit=ready_s, bar=Bar(20)),
            Figure("helm test", test_s, "s", limit=ready_s, bar=Bar(60)),
            *idle(kube, empty_mib=empty_mib),
        ])  # fmt: skip
    finally:
        kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
