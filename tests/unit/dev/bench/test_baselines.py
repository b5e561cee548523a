from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from mediaimport_runtime.kubernetes.answers import Change

from dev.bench.operator import baselines, capped_loop, process_usage, tekton
from dev.bench.operator.capped_loop import Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mediaimport_runtime.kubernetes.client import Call, Client

METRICS = """\
# HELP apiserver_request_total Counter of apiserver requests
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",resource="pods",verb="LIST"} 10
apiserver_request_total{code="201",resource="pods",verb="POST"} 5
apiserver_request_total{code="0",resource="pods",verb="WATCH"} 1000
# TYPE apiserver_request_total_of_another counter
apiserver_request_total_of_another{verb="POST"} 1000
"""


def test_requests_are_those_of_all_resources_but_no_watches() -> None:
    assert baselines.requests(METRICS) == 15


def test_requests_of_the_controller_are_those_that_its_client_has_sent() -> None:
    metrics = """\
# TYPE tekton_pipelines_controller_client_latency histogram
tekton_pipelines_controller_client_latency_count{name=""} 289
# TYPE tekton_pipelines_controller_client_results counter
tekton_pipelines_controller_client_results{name=""} 300
"""
    assert tekton.sent(metrics) == 300
    assert tekton.sent("") == 0


def test_rows_divide_the_cost_by_what_has_finished() -> None:
    outcome = baselines.Outcome(
        finished=500,
        wall_s=240,
        plane=baselines.Plane(cpu_s=5, requests=4000),
        controller=baselines.Controller(2.5, 3000, 90),
    )
    rows = {each.figure: each.value for each in baselines.figures("Baseline", outcome, baselines.Size(1000, 240))}
    assert rows == {
        "Baseline: finished of 1000": 500,
        "Baseline: finished a minute": pytest.approx(125),
        "Baseline: controller's CPU of each": 5,
        "Baseline: controller's requests for each": 6,
        "Baseline: control plane's CPU of each": 10,
        "Baseline: requests of all clients for each": 8,
        "Baseline: controller's peak memory": 90,
    }


def test_baseline_that_finishes_nothing_has_rows_too() -> None:
    outcome = baselines.Outcome(finished=0, wall_s=240, plane=baselines.Plane(cpu_s=5, requests=4000))
    rows = {each.figure: each.value for each in baselines.figures("Baseline", outcome, baselines.Size(1000, 240))}
    assert rows["Baseline: finished a minute"] == 0
    assert "Baseline: controller's CPU of each" not in rows


def test_processor_time_of_this_process_is_known_from_its_folder() -> None:
    folder, before = Path(f"/proc/{os.getpid()}"), sum(os.times()[:2])
    assert process_usage.cpu_s(folder) == pytest.approx(before, abs=1)


@pytest.mark.parametrize(("status", "name"), [("True", "film-000007"), ("Unknown", None)])
def test_task_run_has_ended_with_its_condition(status: str, name: str | None) -> None:
    task_run = {**tekton.task_runs("here").manifest(7), "status": {"conditions": [_condition(status)]}}
    assert tekton.succeeded(task_run) == name


def test_new_task_run_has_no_condition() -> None:
    assert tekton.succeeded(tekton.task_runs("here").manifest(7)) is None


def test_failed_task_run_ends_the_benchmark() -> None:
    task_run = {**tekton.task_runs("here").manifest(7), "status": {"conditions": [_condition("False")]}}
    with pytest.raises(RuntimeError, match="film-000007 has failed: no pod"):
        tekton.succeeded(task_run)


def _condition(status: str) -> dict[str, str]:
    return {"type": "Succeeded", "status": status, "message": "no pod"}


def test_definition_asks_no_webhook_for_conversions(tmp_path: Path) -> None:
    file = tmp_path / "definitions.yaml"
    file.write_text(
        "---\nkind: A\nspec: {group: tekton.dev, conversion: {strategy: Webhook}}\n---\n# nothing\n---\nkind: B\n"
    )
    first, second = tekton.objects([file])
    assert tekton.definition(first) == {"kind": "A", "spec": {"group": "tekton.dev"}}
    assert second == {"kind": "B"}


def test_process_is_that_of_the_deployment_with_more_options() -> None:
    container = {
        "args": ["-entrypoint-image", "some"],
        "env": [
            {"name": "SYSTEM_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "CONFIG_FEATURE_FLAGS_NAME", "value": "feature-flags"},
        ],
    }
    deployment = {"spec": {"template": {"spec": {"containers": [container]}}}}
    process = tekton.process(deployment, program=Path("/tekton"), kubeconfig=Path("/config"), options=("-more=1",))
    assert process.argv == ("/tekton", "-entrypoint-image", "some", "-more=1")
    assert dict(process.environ) == {
        "CONFIG_FEATURE_FLAGS_NAME": "feature-flags",
        "KUBECONFIG": "/config",
        "METRICS_PROMETHEUS_HOST": "10.99.0.2",
        "SYSTEM_NAMESPACE": "tekton-pipelines",
    }


class Api:
    """API whose objects end one after another, once as many run as its test waits for."""

    def __init__(self, *, ends: int, once: int) -> None:
        self.running: list[str] = []
        self.most = 0
        self._ends = ends
        self._once = once
        self._changed = asyncio.Event()

    async def list_each(self, path: str, *, take: Callable[[dict[str, Any]], object]) -> str:  # noqa: ARG002
        return "1"

    async def request(self, call: Call) -> None:
        self.running.append(cast("dict[str, Any]", call.body)["metadata"]["name"])
        self.most = max(self.most, len(self.running))
        self._changed.set()

    async def watch(self, path: str, version: str) -> AsyncIterator[Any]:  # noqa: ARG002
        yield Change("BOOKMARK", {"metadata": {"resourceVersion": "2"}})
        while self._ends:
            while len(self.running) < min(self._once, self._ends):
                self._changed.clear()
                await self._changed.wait()
            self._ends -= 1
            yield Change("MODIFIED", {"metadata": {"name": self.running.pop(0), "resourceVersion": "3"}})
        await asyncio.Event().wait()


WORK = Work(
    path="/here",
    watched="/here",
    manifest=lambda number: {"metadata": {"name": f"object-{number}"}},
    ended=lambda resource: str(resource["metadata"]["name"]),
)


def _looped(api: Api, *, timeout_s: float) -> int:
    loop = capped_loop.finished_within(cast("Client", api), WORK, 20, cap=3, timeout_s=timeout_s)
    return asyncio.run(loop)[0]


def test_loop_runs_as_many_as_its_cap() -> None:
    api = Api(ends=20, once=3)
    assert _looped(api, timeout_s=60) == 20
    assert (api.most, api.running) == (3, [])


def test_loop_tells_what_has_finished_when_its_time_is_over() -> None:
    assert _looped(Api(ends=5, once=1), timeout_s=0.5) == 5
