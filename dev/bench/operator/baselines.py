"""`make bench-baselines`: as many empty steps by our operator, by plain Jobs and by Tekton's TaskRuns, in one run.

All run on a fake node (kwok), BASELINES_IMPORTS (1000) of each, BASELINES_CAP (200) at a time. A simple loop creates
the Jobs and TaskRuns; imports are created at once, since their operator has a cap of its own. Each has
BASELINES_LIMIT_S (240) seconds; the table says how many have finished by then. It needs the cluster of
`make up`, where it reads the processor time of the control plane: API server, etcd, controller manager and scheduler.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from dev.bench.figures import Bar, Figure, Sheet
from dev.bench.operator import baseline_jobs, capped_loop, load, process_usage, scale, tekton
from dev.bench.operator.fixture import prepared
from dev.cluster import control
from dev.cluster.cache import Cache
from dev.cluster.errors import ClusterError
from dev.cluster.exports import is_foreign
from tests.support.kwok import node
from tests.support.kwok.node import fake_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dev.bench.operator.capped_loop import Work
    from dev.bench.operator.fixture import Fixture
    from dev.cluster.kubectl import Kube

NAMESPACE = "operator-baselines"
_OF_JOBS, _OF_TASK_RUNS, _OF_THE_FIRST = (f"{NAMESPACE}-{each}" for each in ("jobs", "tekton", "tekton-first"))
CONTROL_PLANE = ("apiserver", "etcd", "controller-manager", "scheduler")
_STAGES = Path(node.__file__).with_name("tekton.yaml")
_WIDTH = 62
_WARM_UP_S = 180.0
"""Time for the first TaskRun, which waits for the leader election and for the caches."""


@dataclass(frozen=True)
class Size:
    """Number of steps, and the most seconds for all of them."""

    count: int
    limit_s: float


@dataclass(frozen=True)
class Plane:
    """Use of the control plane so far: its processor time, and the requests of all its clients but their watches."""

    cpu_s: float
    requests: float

    @classmethod
    def now(cls, kube: Kube) -> Plane:
        """Return the use so far."""
        metrics = kube.kubectl("get", "--raw", "/metrics")
        cpu_s = sum(process_usage.cpu_s(control.proc_folder(each)) for each in CONTROL_PLANE)
        return cls(cpu_s, requests(metrics))

    def since(self, before: Plane) -> Plane:
        """Return the use since then."""
        return Plane(self.cpu_s - before.cpu_s, self.requests - before.requests)


def requests(metrics: str) -> float:
    """Return how many requests the API server has answered, from its metrics."""
    name = "apiserver_request_total"
    lines = "\n".join(line for line in metrics.splitlines() if line.startswith((f"{name}{{", f"# TYPE {name} ")))
    samples = (each for family in text_string_to_metric_families(f"{lines}\n") for each in family.samples)
    return sum(each.value for each in samples if each.labels["verb"] not in {"WATCH", "CONNECT"})


@dataclass(frozen=True)
class Controller:
    """Use of a controller during its run, and its peak memory."""

    cpu_s: float
    requests: float
    peak_mb: float


@dataclass(frozen=True)
class Outcome:
    """Finished steps and their cost; plain Jobs have no controller but the control plane's."""

    finished: int
    wall_s: float
    plane: Plane
    controller: Controller | None = None


def figures(name: str, outcome: Outcome, size: Size, *, bar: Bar | None = None) -> list[Figure]:
    """Return the rows of one of them."""
    each = max(outcome.finished, 1)
    rows = [
        Figure(f"{name}: finished of {size.count}", outcome.finished, "", None, bar),
        Figure(f"{name}: finished a minute", outcome.finished / outcome.wall_s * 60, "/min"),
    ]
    if outcome.controller:
        rows += [
            Figure(f"{name}: controller's CPU of each", outcome.controller.cpu_s / each * 1000, "ms"),
            Figure(f"{name}: controller's requests for each", outcome.controller.requests / each, ""),
            Figure(f"{name}: controller's peak memory", outcome.controller.peak_mb, "MB"),
        ]
    return [
        *rows,
        Figure(f"{name}: control plane's CPU of each", outcome.plane.cpu_s / each * 1000, "ms"),
        Figure(f"{name}: requests of all clients for each", outcome.plane.requests / each, ""),
    ]


@contextmanager
def _namespace(kube: Kube, name: str) -> Iterator[None]:
    load.fresh_namespace(kube, name)
    try:
        yield
    finally:
        load.remove_namespace(kube, name)


def imports(fixture: Fixture, size: Size) -> Outcome:
    """Measure our operator."""
    with _namespace(fixture.kube, NAMESPACE):
        before = Plane.now(fixture.kube)
        run = scale.imports(fixture, NAMESPACE, size.count, limit_s=size.limit_s)
        plane = Plane.now(fixture.kube).since(before)
    return Outcome(run.finished, run.wall_s, plane, Controller(run.cpu_s, run.requests, run.peak_mb))


def plain_jobs(fixture: Fixture, size: Size) -> Outcome:
    """Measure Jobs without an operator."""
    with _namespace(fixture.kube, _OF_JOBS):
        before = Plane.now(fixture.kube)
        finished, wall_s = _looped(baseline_jobs.jobs(_OF_JOBS), size.count, fixture.cap, size.limit_s)
        plane = Plane.now(fixture.kube).since(before)
    return Outcome(finished, wall_s, plane)


def task_runs(fixture: Fixture, size: Size, *, options: Sequence[str] = ()) -> Outcome:
    """Measure Tekton's controller."""
    kube = fixture.kube
    with (
        _namespace(kube, _OF_THE_FIRST),
        _namespace(kube, _OF_TASK_RUNS),
        tekton.controller(kube, options=options) as running,
    ):
        if not _looped(tekton.task_runs(_OF_THE_FIRST), 1, 1, _WARM_UP_S)[0]:
            raise TimeoutError(f"Tekton's controller finished no TaskRun within {_WARM_UP_S:.0f} s")
        before, cpu_s, sent = Plane.now(kube), running.cpu_s, running.requests
        finished, wall_s = _looped(tekton.task_runs(_OF_TASK_RUNS), size.count, fixture.cap, size.limit_s)
        controller = Controller(running.cpu_s - cpu_s, running.requests - sent, running.peak_mb)
        plane = Plane.now(kube).since(before)
    return Outcome(finished, wall_s, plane, controller)


def _remove_leftovers(kube: Kube) -> None:
    """Remove what a killed run has left: its controller would take part in the measurement."""
    tekton.remove(kube)
    for each in (NAMESPACE, _OF_JOBS, _OF_TASK_RUNS, _OF_THE_FIRST):
        load.remove_namespace(kube, each)


def _looped(work: Work, count: int, cap: int, limit_s: float) -> tuple[int, float]:
    ended: tuple[int, float] = load.run(
        lambda api: capped_loop.finished_within(api, work, count, cap=cap, timeout_s=limit_s)
    )
    return ended


def main() -> Sheet:
    """Measure and report."""
    if is_foreign(os.environ, Cache.of(os.environ)):
        raise ClusterError("KUBECONFIG names a cluster of yours: unset it, Tekton is measured in the one of `make up`")
    size = Size(int(os.environ.get("BASELINES_IMPORTS", "1000")), float(os.environ.get("BASELINES_LIMIT_S", "240")))
    with (
        prepared("baselines", cap=int(os.environ.get("BASELINES_CAP", "200"))) as fixture,
        fake_node(fixture.kube, log=fixture.log, more_stages=[_STAGES]),
    ):
        _remove_leftovers(fixture.kube)
        form = {"imports": size.count, "cap": fixture.cap, "limit_s": size.limit_s, "tekton": tekton.version()}
        sheet = Sheet("baselines", width=_WIDTH, form=form)
        sheet.add(*figures("imports", imports(fixture, size), size, bar=Bar(size.count, at_most=False)))
        sheet.add(*figures("plain Jobs", plain_jobs(fixture, size), size))
        sheet.add(*figures("Tekton, its defaults", task_runs(fixture, size), size))
        sheet.add(*figures("Tekton, limits raised", task_runs(fixture, size, options=tekton.TUNED), size))
    return sheet
