from __future__ import annotations

import pytest

from dev.bench.operator.pace import Usage, ended_pod

METRICS = """\
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {cpu}
# TYPE mediaimport_operator_reconcile_total counter
mediaimport_operator_reconcile_total{{outcome="success"}} {reconciles}
# TYPE mediaimport_operator_api_requests_total counter
mediaimport_operator_api_requests_total{{code="201",method="POST",resource="jobs"}} {jobs}
mediaimport_operator_api_requests_total{{code="200",method="PATCH",resource="mediaimports/status"}} {writes}
mediaimport_operator_api_requests_total{{code="200",method="GET",resource="pods/log"}} 3.0
mediaimport_operator_api_requests_total{{code="200",method="GET",resource="pods"}} 100.0
mediaimport_operator_api_requests_total{{code="200",method="PUT",resource="leases"}} 100.0
mediaimport_operator_api_requests_total{{code="200",method="WATCH",resource="jobs"}} 100.0
"""


def test_usage_is_that_of_the_imports_alone() -> None:
    before = Usage.of(METRICS.format(cpu=1.0, reconciles=7, jobs=1, writes=2), at_s=100.0)
    after = Usage.of(METRICS.format(cpu=3.0, reconciles=27, jobs=5, writes=10), at_s=140.0)
    assert (before.requests, after.requests) == (1 + 2 + 3, 5 + 10 + 3), "no list, no watch, no Lease"
    each = after.each(before, 4, idle_cpu=0.01)
    assert each.cpu_s == pytest.approx((2.0 - 0.4) / 4)
    assert (each.requests, each.status_writes, each.reconciles) == (3, 2, 5)


def test_pod_has_ended_with_its_container() -> None:
    pod = {"metadata": {"name": "bare"}, "status": {"containerStatuses": [{"state": {"running": {}}}]}}
    assert ended_pod(pod) is None
    pod["status"] = {"containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}
    assert ended_pod(pod) == "bare"
