"""`make bench-idle`: cost of an idle operator with thousands of finished imports.

IDLE_IMPORTS (10000) is the number of imports, IDLE_MINUTES (6) the time, which includes the resync of every five
minutes.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dev.bench.figures import Bar, Figure, Sheet
from dev.bench.operator import load
from dev.bench.operator.fixture import prepared
from tests.support.kwok.node import fake_node

if TYPE_CHECKING:
    from dev.bench.operator.operator_process import OperatorProcess
    from dev.cluster.kubectl import Kube

NAMESPACE = "operator-idle"
_WIDTH = 50
_SETTLE_S = 15.0
"""Time after the caches are full in which the operator does what is left of its start."""


def finished_status(kube: Kube, operator: OperatorProcess) -> dict[str, Any]:
    """Return the status that this operator gives to an import."""
    load.run(lambda api: load.create(api, NAMESPACE, [0]))
    operator.await_figure("imports_completed_total", 1, timeout_s=120, result="ready")
    status: dict[str, Any] = kube.get("mediaimport", load.film(0), namespace=NAMESPACE)["status"]
    return status


def fill(count: int, status: dict[str, Any]) -> None:
    """Create imports with the status of the first one."""
    load.run(lambda api: load.create(api, NAMESPACE, range(1, count)))
    load.run(lambda api: load.patch(api, NAMESPACE, range(1, count), {"status": status}, part="/status"))


def main() -> Sheet:
    """Measure and report."""
    count, minutes = int(os.environ.get("IDLE_IMPORTS", "10000")), float(os.environ.get("IDLE_MINUTES", "6"))
    with prepared("idle", cap=10) as fixture, ExitStack() as stack:
        kube = fixture.kube
        with fake_node(kube, log=fixture.log):
            load.fresh_namespace(kube, NAMESPACE)
            first = fixture.operator(NAMESPACE)
            try:
                status = finished_status(kube, first)
            finally:
                first.stop()
        fill(count, status)
        operator = fixture.operator(NAMESPACE)
        stack.callback(load.remove_namespace, kube, NAMESPACE)
        stack.callback(operator.stop)
        synced_s = operator.await_figure("imports", count, timeout_s=120)
        time.sleep(_SETTLE_S)
        cpu_s, requests = operator.cpu_s, operator.figure("api_requests_total")
        time.sleep(minutes * 60)
        used_s, sent = operator.cpu_s - cpu_s, operator.figure("api_requests_total") - requests
        sheet = Sheet("idle", width=_WIDTH, form={"imports": count, "minutes": minutes})
        sheet.add(
            Figure(f"operator CPU, {count} finished imports", used_s / minutes, "s/min", None, Bar(0.5)),
            Figure("API requests", sent / minutes, "/min", None, Bar(30)),
            Figure("operator memory at its peak", operator.peak_mb, "MB", None, Bar(150)),
            Figure("start to full caches", synced_s, "s"),
            Figure("longest turn of its event loop", operator.longest_turn_ms, "ms", None, Bar(50)),
        )
        return sheet
