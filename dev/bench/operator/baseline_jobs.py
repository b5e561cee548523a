"""Baseline of the operator: as many plain Jobs as there are imports, for a simple loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job
from mediaimport_operator.settings.operator import Settings
from mediaimport_runtime.environment import Environment

from dev.bench.operator import load
from dev.bench.operator.capped_loop import Work
from dev.bench.operator.operator_process import job_variables

if TYPE_CHECKING:
    from collections.abc import Mapping


def jobs(namespace: str) -> Work:
    """Return Jobs whose slots are free at the operator's event: the end of the pod, not the condition seconds later."""
    settings = Settings.read(Environment(job_variables(namespace)))
    return Work(
        path=f"/apis/batch/v1/namespaces/{namespace}/jobs",
        watched=f"/api/v1/namespaces/{namespace}/pods",
        manifest=lambda number: _job(number, settings),
        ended=_ended,
    )


def _ended(pod: Mapping[str, Any]) -> str | None:
    succeeded = (pod.get("status") or {}).get("phase") == "Succeeded"
    return pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") if succeeded else None


def _job(number: int, settings: Settings) -> dict[str, Any]:
    """Return the Job that the operator creates, without an owner, and with the TTL of the operator's."""
    meta = {"namespace": settings.operator_namespace, "uid": str(uuid4()), "creationTimestamp": "2030-01-01T00:00:00Z"}
    item = load.mediaimport(number)
    manifest = import_job.job(resource.read(item | {"metadata": item["metadata"] | meta}), settings, attempt=1)
    del manifest["metadata"]["ownerReferences"]
    manifest["spec"]["ttlSecondsAfterFinished"] = settings.successful_job_s
    return manifest
