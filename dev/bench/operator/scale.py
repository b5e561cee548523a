"""`make bench-scale`: thousands of imports on a fake node (kwok), and as many plain Jobs at the same cap.

SCALE_IMPORTS (1000) lists how many, as in 1000,10000,20000; SCALE_CAP (200) is how many at a time; up to
SCALE_BASELINE (10000) imports the plain Jobs are measured too. Each figure is written as soon as it is known.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mediaimport_operator.run.lease import LEASE_DURATION_S

from dev.bench.figures import Bar, Figure, Sheet
from dev.bench.operator import baseline_jobs, capped_loop, load
from dev.bench.operator.fixture import prepared
from tests.support.kwok.node import fake_node

if TYPE_CHECKING:
    from dev.bench.operator.fixture import Fixture
    from dev.bench.operator.operator_process import OperatorProcess

NAMESPACE = "operator-scale"
_WIDTH = 62
_SETTLE_S = 10.0
"""Time that a restarted operator runs after its first new Job, since its memory peaks then."""


@dataclass(frozen=True)
class Run:
    """Finished imports and their cost."""

    finished: int
    wall_s: float
    cpu_s: float
    requests: float
    peak_mb: float
    longest_turn_ms: float

    @property
    def per_minute(self) -> float:
        """Return the rate."""
        return self.finished / self.wall_s * 60


def timeout_s(count: int) -> float:
    """Return the timeout for so many imports."""
    return 120 + count * 0.3


def imports(fixture: Fixture, namespace: str, count: int, *, limit_s: float) -> Run:
    """Create the imports and wait until all are Ready, or for the time."""
    operator = fixture.operator(namespace)
    try:
        operator.await_figure("lease_held", 1, timeout_s=60)
        requests, cpu_s, begun_s = operator.figure("api_requests_total"), operator.cpu_s, time.monotonic()
        load.run(lambda api: load.create(api, namespace, range(count)))
        finished = _finished(operator, count, until_s=begun_s + limit_s)
        wall_s = time.monotonic() - begun_s
        requests = operator.figure("api_requests_total") - requests
        return Run(finished, wall_s, operator.cpu_s - cpu_s, requests, operator.peak_mb, operator.longest_turn_ms)
    finally:
        operator.stop()


def _finished(operator: OperatorProcess, count: int, *, until_s: float) -> int:
    """Return the number of Ready imports: all, or those that are Ready in time."""
    printed_s = 0.0
    while (ready := int(operator.figure("imports_completed_total", result="ready"))) < count:
        if time.monotonic() > until_s:
            break
        if time.monotonic() > printed_s + 10:
            print(f"{ready} of {count} are Ready", file=sys.stderr, flush=True)
            printed_s = time.monotonic()
        time.sleep(1)  # each query costs the operator milliseconds
    return ready


@dataclass(frozen=True)
class Restarts:
    """Seconds from the start of an operator to its first new Job, and its peak memory."""

    clean_s: float
    crash_s: float
    """After one that was killed: its Lease has to run out."""
    peak_mb: float
    longest_turn_ms: float


def restarts(fixture: Fixture, namespace: str, count: int) -> Restarts:
    """Start an operator with half of the imports to do, kill it, and start another one."""
    load.run(lambda api: load.patch(api, namespace, range(count // 2), {"spec": {"run": "again"}}))
    first = fixture.operator(namespace)
    try:
        clean_s = _first_job_s(first)
        time.sleep(_SETTLE_S)
        clean_mb, clean_ms = first.peak_mb, first.longest_turn_ms
    finally:
        first.kill()
    # All of them again: those of before may be finished.
    load.run(lambda api: load.patch(api, namespace, range(count), {"spec": {"run": "after the crash"}}))
    second = fixture.operator(namespace)
    try:
        crash_s = _first_job_s(second)
        time.sleep(_SETTLE_S)
        longest_ms = max(clean_ms, second.longest_turn_ms)
        return Restarts(clean_s, crash_s, max(clean_mb, second.peak_mb), longest_ms)
    finally:
        second.stop()


def _first_job_s(operator: OperatorProcess) -> float:
    return operator.await_figure("api_requests_total", 1, timeout_s=120, method="POST", resource="jobs")


def baseline(fixture: Fixture, namespace: str, count: int) -> float:
    """Return the rate per minute at which as many plain Jobs finish."""
    load.fresh_namespace(fixture.kube, namespace)
    jobs, limit_s = baseline_jobs.jobs(namespace), timeout_s(count)
    finished, wall_s = load.run(
        lambda api: capped_loop.finished_within(api, jobs, count, cap=fixture.cap, timeout_s=limit_s)
    )
    load.remove_namespace(fixture.kube, namespace)
    return float(finished / wall_s * 60)


def measure(fixture: Fixture, sheet: Sheet, count: int, *, with_baseline: bool) -> Run:
    """Measure so many imports."""
    namespace = f"{NAMESPACE}-{count}"
    load.fresh_namespace(fixture.kube, namespace)
    run = imports(fixture, namespace, count, limit_s=timeout_s(count))
    at = f"{count}: "
    sheet.add(
        Figure(f"{at}imports Ready at cap {fixture.cap}", run.finished, "", None, Bar(count, at_most=False)),
        Figure(f"{at}imports per minute", run.per_minute, "/min"),
        Figure(f"{at}API requests per import", run.requests / max(run.finished, 1), ""),
        Figure(f"{at}operator CPU per import", run.cpu_s / max(run.finished, 1) * 1000, "ms"),
        Figure(f"{at}operator peak memory", run.peak_mb, "MB", None, Bar(150)),
        Figure(f"{at}longest turn of its event loop", run.longest_turn_ms, "ms", None, Bar(50)),
    )
    restarted = restarts(fixture, namespace, count)
    sheet.add(
        Figure(f"{at}restart to first new Job, half of them to do", restarted.clean_s, "s", None, Bar(8)),
        Figure(f"{at}the same after a crash (SIGKILL)", restarted.crash_s, "s", None, Bar(LEASE_DURATION_S + 8)),
        Figure(f"{at}peak memory of the restarted operators", restarted.peak_mb, "MB", None, Bar(150)),
        Figure(f"{at}longest turn of their event loops", restarted.longest_turn_ms, "ms", None, Bar(50)),
    )
    load.remove_namespace(fixture.kube, namespace)
    if with_baseline:
        rate = baseline(fixture, f"{namespace}-baseline", count)
        sheet.add(
            Figure(f"{at}plain Jobs per minute at the same cap", rate, "/min"),
            Figure(f"{at}imports over as many plain Jobs", rate / run.per_minute, "x", 1, Bar(1.3)),
        )
    return run


def main() -> Sheet:
    """Measure and report."""
    counts = sorted(int(each) for each in os.environ.get("SCALE_IMPORTS", "1000").split(","))
    most_baseline = int(os.environ.get("SCALE_BASELINE", "10000"))
    with (
        prepared("scale", cap=int(os.environ.get("SCALE_CAP", "200"))) as fixture,
        fake_node(fixture.kube, log=fixture.log),
    ):
        form = {"imports": ", ".join(map(str, counts)), "cap": fixture.cap}
        sheet = Sheet("scale", width=_WIDTH, form=form)
        runs = [(count, measure(fixture, sheet, count, with_baseline=count <= most_baseline)) for count in counts]
        for former, run in pairwise(runs):
            sheet.add(*growth(former, run))
        sheet.add(Figure("load of this machine, 15 min", os.getloadavg()[2], ""))
    return sheet


def growth(former: tuple[int, Run], latter: tuple[int, Run]) -> list[Figure]:
    """Return how the cost of an import grows from one count to the next; without growth it is 1."""
    (least, before), (most, after) = former, latter
    at = f"{least} to {most}: growth of"
    return [
        Figure(f"{at} operator CPU per import", after.cpu_s / most / (before.cpu_s / least), "x", 1, Bar(1.15)),
        Figure(f"{at} API requests per import", after.requests / most / (before.requests / least), "x", 1, Bar(1.15)),
        Figure(f"{at} the time per import", before.per_minute / after.per_minute, "x", 1, Bar(1.15)),
        Figure(f"{at} peak memory", after.peak_mb - before.peak_mb, "MB"),
    ]
