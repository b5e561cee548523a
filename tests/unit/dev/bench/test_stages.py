"""Stages of an import: which a pod's status shows, and which the importer's log."""

from __future__ import annotations

import json
from typing import Any

from mediaimport_api import names

from dev.bench.operator.stages import POD_STAGES, log_times, medians, uid_of


def pod(**status: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"metadata": {"name": "film-1", "labels": {names.LABEL_UID: "film"}}, "spec": {}, "status": status}


def reached(item: dict[str, Any]) -> set[str]:
    return {name for name, each in POD_STAGES.items() if uid_of(item, each) == "film"}


def test_pod_reaches_its_stages_one_after_another() -> None:
    prober: dict[str, Any] = {"initContainerStatuses": [{"state": {"running": {}}}]}
    network = {"conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}
    placed = pod(**network) | {"spec": {"nodeName": "node"}}
    starting = pod(**network, **prober, containerStatuses=[{"state": {"waiting": {}}}]) | {"spec": placed["spec"]}
    running = pod(**network, **prober, containerStatuses=[{"state": {"running": {}}}]) | {"spec": placed["spec"]}
    ended = pod(containerStatuses=[{"state": {"terminated": {}}}]) | {"spec": placed["spec"]}
    assert reached(pod()) == {"the pod"}
    assert reached(placed) == {"the pod", "the pod's node", "the pod's network"}
    assert reached(starting) == reached(placed) | {"the running prober"}
    assert reached(running) == reached(starting) | {"the running importer"}
    assert reached(ended) == {"the pod", "the pod's node", "the importer's end, reported"}
    waiting = pod(conditions=[{"type": "PodReadyToStartContainers", "status": "False"}])
    assert reached(waiting) == {"the pod"}


def test_pod_of_no_import_has_no_stage() -> None:
    assert uid_of({"metadata": {"name": "bare"}, "spec": {}}, lambda _: True) is None


def test_log_shows_each_stage_at_its_first_line() -> None:
    lines = [
        {"ts": "2030-01-01T12:00:01.5+00:00", "progress": {"step": "connect"}},
        {"ts": "2030-01-01T12:00:02+00:00", "progress": {"step": "download"}},
        {"ts": "2030-01-01T12:00:03+00:00", "progress": {"step": "probe"}},
        {"ts": "2030-01-01T12:00:04+00:00", "progress": {"step": "commit"}},
        {"ts": "2030-01-01T12:00:05+00:00", "progress": {"step": "commit"}},
        {"ts": "2030-01-01T12:00:06+00:00", "reason": "Imported", "progress": {"step": "commit"}},
    ]
    times = log_times("\n".join(map(json.dumps, lines)))
    assert {name: at.second + at.microsecond / 1e6 for name, at in times.items()} == {
        "the loaded importer": 1.5,
        "the end of the download": 3,
        "description and thumbnail": 4,
        "the stored asset": 6,
    }


def test_medians_are_in_the_order_of_the_stages() -> None:
    figures = medians([{"pod": 0.3, "node": 0.5}, {"pod": 0.1, "node": 0.4}, {"pod": 0.2}])
    assert [(each.figure, each.value) for each in figures] == [
        ("webhook to pod, p50", 0.2),
        ("webhook to node, p50", 0.4),
    ]
