"""The Job of one attempt. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.task import IMPORTER_CONTAINER, PROBER_CONTAINER, Task

from mediaimport_operator.observe import job as jobs
from mediaimport_operator.pods import base, import_pod

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.operator import Settings

MANAGER = "mediaimport"
_POD_ANNOTATIONS = {
    "linkerd.io/inject": "disabled",
    # The prober parses what strangers made: an identity of the pod's is the importer's alone.
    "eks.amazonaws.com/skip-containers": PROBER_CONTAINER,
    "azure.workload.identity/skip-containers": PROBER_CONTAINER,
    # An import that is moved starts again; its URL may not live that long.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}


def selector(instance: str) -> str:
    """Return the label selector of all Jobs and pods of this operator."""
    return f"{names.MANAGED_BY}={MANAGER},{names.LABEL_INSTANCE}={instance}"


def task(resource: Resource, settings: Settings, *, attempt: int, look_at_store: bool = False) -> Task:
    """Return what the importer is told, with its limits settled."""
    spec = resource.spec
    if spec is None:
        raise ValueError("an import without a valid spec has no task")
    return Task(
        owner=resource.owner,
        asset_id=resource.asset_id,
        spec=spec,
        run=resource.run,
        attempt=attempt,
        look_at_store=look_at_store,
        max_size_bytes=spec.limits.max_size_bytes or settings.max_size_bytes,
        deadline_seconds=spec.limits.deadline_seconds or settings.deadline_s,
    )


def job(
    resource: Resource, settings: Settings, *, attempt: int, more_memory: bool = False, look_at_store: bool = False
) -> Object:
    """Return the Job of that attempt. Its name is the same each time, so that creating it twice makes one."""
    told = task(resource, settings, attempt=attempt, look_at_store=look_at_store)
    labels = _labels(resource, settings, attempt=attempt)
    queue = resource.queue_labels if settings.kueue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=attempt),
            "namespace": resource.namespace,
            "labels": labels | queue,
            "ownerReferences": [_owner(resource)],
        },
        "spec": {
            # Kueue resumes it when its turn has come.
            **({"suspend": True} if queue else {}),
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": told.deadline_seconds,
            "template": {
                "metadata": {
                    "labels": base.labels(settings.importer) | labels,
                    "annotations": settings.importer.extras.annotations | _POD_ANNOTATIONS,
                },
                "spec": import_pod.spec(told, settings.importer, more_memory=more_memory),
            },
        },
    }


def _labels(resource: Resource, settings: Settings, *, attempt: int) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": MANAGER,
        "app.kubernetes.io/component": IMPORTER_CONTAINER,
        names.MANAGED_BY: MANAGER,
        names.LABEL_INSTANCE: settings.instance,
        names.LABEL_USER: resource.claim.user,
        **jobs.labels(resource.uid, resource.run, attempt),
    }


def _owner(resource: Resource) -> Object:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": resource.name,
        "uid": resource.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
