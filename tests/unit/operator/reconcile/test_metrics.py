from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe import resource
from mediaimport_operator.reconcile.metrics import Metrics, api_resource
from mediaimport_runtime.metrics_server import serving_metrics

from tests.support.loopback.processes import free_port

if TYPE_CHECKING:
    from tests.support.operator_fakes import Build


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"mediaimport_operator_{name}", labels) or 0.0


def test_an_import_that_ends_is_counted_once_with_its_bytes_and_margin(build: Build) -> None:
    metrics = Metrics()
    item = build.mediaimport(source={"expiresAt": "2030-01-01T12:30:00Z"})
    pods = [build.ended_pod(message=build.imported().encode())]
    planned = plan(build.observed(item, jobs=[build.job()], pods=pods))
    assert planned.status is not None
    before = resource.read(item)
    metrics.status_written(before, planned.status)
    metrics.status_written(resource.read(item | {"status": planned.status.to_wire()}), planned.status)
    assert value(metrics, "imports_completed_total", result="ready", reason="Imported") == 1
    assert value(metrics, "attempts_total", reason="Imported") == 1
    assert value(metrics, "stored_bytes_total", kind="video") == 1_500_000
    assert value(metrics, "import_expiry_margin_seconds_bucket", le="1800.0") == 1
    assert value(metrics, "import_expiry_margin_seconds_bucket", le="1200.0") == 0
    assert value(metrics, "import_duration_seconds_sum", result="ready") == 60


def test_a_failed_attempt_is_no_import_yet(build: Build) -> None:
    metrics = Metrics()
    message = build.failure(Reason.SOURCE_UNAVAILABLE).encode()
    planned = plan(build.observed(jobs=[build.job()], pods=[build.ended_pod(exit_code=20, message=message)]))
    assert planned.status is not None
    metrics.status_written(resource.read(build.mediaimport()), planned.status)
    assert value(metrics, "attempts_total", reason="SourceUnavailable") == 1
    assert value(metrics, "imports_completed_total", result="failed", reason="SourceUnavailable") == 0


def test_a_new_run_is_timed_from_its_own_start(build: Build) -> None:
    metrics = Metrics()
    meta = {"creationTimestamp": "2029-01-01T12:00:00Z"}
    item = build.mediaimport(meta=meta, run="again")
    pods = [build.ended_pod(message=build.imported().encode())]
    for pod in pods:
        pod["metadata"]["labels"] = build.labels(1, "again")
    planned = plan(build.observed(item, jobs=[build.job(run="again")], pods=pods))
    assert planned.status is not None
    metrics.status_written(resource.read(item), planned.status)
    assert 0 < value(metrics, "import_duration_seconds_sum", result="ready") < timedelta(minutes=2).total_seconds()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/apis/mediaimport.dev/v1alpha1/namespaces/media/mediaimports", "mediaimports"),
        ("/apis/mediaimport.dev/v1alpha1/namespaces/media/mediaimports/film/status", "mediaimports/status"),
        ("/api/v1/namespaces/media/pods/film-1-xyz/log", "pods/log"),
        ("/apis/batch/v1/namespaces/media/jobs/film", "jobs"),
        ("/apis/coordination.k8s.io/v1/namespaces/media/leases/operator", "leases"),
        ("/apis/batch/v1", "other"),
        ("/version", "other"),
    ],
)
def test_paths_are_counted_by_kind_so_that_their_number_is_bounded(path: str, expected: str) -> None:
    assert api_resource(path) == expected


def test_a_watch_is_counted_as_such() -> None:
    metrics = Metrics()
    metrics.request(method="GET", path="/api/v1/namespaces/media/pods", code=200, watch=True)
    metrics.request(method="GET", path="/api/v1/namespaces/media/pods", code=0, watch=True)
    assert value(metrics, "watch_starts_total", resource="pods") == 2
    assert value(metrics, "api_requests_total", method="WATCH", resource="pods", code="0") == 1


def test_metrics_are_served_and_the_server_ends() -> None:
    metrics = Metrics()
    metrics.gauge("slots", "Slots.", lambda: 7)
    with serving_metrics(metrics.registry, 0) as off:
        assert off == 0
    with (
        serving_metrics(metrics.registry, free_port(), host="127.0.0.1") as port,
        urlopen(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        text = answer.read().decode()
    assert "mediaimport_operator_slots 7.0" in text
    assert "process_resident_memory_bytes" in text
