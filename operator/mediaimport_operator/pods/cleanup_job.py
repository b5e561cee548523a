"""The cleanup Job of `deletionPolicy: Delete`: it deletes the stored objects and leaves a tombstone.

The Job runs in the operator's namespace and has no ownerReference, so the garbage collector never deletes it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from mediaimport_api import names
from mediaimport_api.reasons import MAX_MESSAGE
from mediaimport_api.task import CLEANUP_CONTAINER, DELETION_VARIABLE, Deletion
from mediaimport_runtime.kubernetes import objects
from mediaimport_runtime.text import public
from pydantic import ValidationError

from mediaimport_operator.decide.deletion import CLEANUP_TIMEOUT
from mediaimport_operator.decide.observed import CleanupJob
from mediaimport_operator.observe.job import controller_uid, read_job
from mediaimport_operator.pods import base, import_job, session

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.importer import ImporterSettings
    from mediaimport_operator.settings.operator import Settings

_TTL_S = 3600
"""The time in which people can read a failed Job; without it a Job would outlive an uninstalled operator."""
_BACKOFF_LIMIT = 30
_SLOW = timedelta(seconds=10)
_MANAGER = "mediaimport-deletion"
"""A value of its own: watches and resyncs of import Jobs do not select it."""


def name(resource: Resource) -> str:
    """Return the Job's deterministic name."""
    return names.job_name(name=f"delete-{resource.name}", uid=resource.uid, run="deletionPolicy", attempt=1)


def selector(resource: Resource) -> str:
    """Return the label selector of the Job's pods."""
    return f"{names.MANAGED_BY}={_MANAGER},{names.LABEL_UID}={resource.uid}"


def job(resource: Resource, settings: Settings) -> Object:
    """Return the Job, whose container is repeated until CLEANUP_TIMEOUT."""
    importer = session.importer_settings(settings, job_name=name(resource))
    labels = {
        "app.kubernetes.io/name": import_job.MANAGER,
        "app.kubernetes.io/component": CLEANUP_CONTAINER,
        names.MANAGED_BY: _MANAGER,
        names.LABEL_INSTANCE: settings.instance,
        names.LABEL_UID: resource.uid,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name(resource), "namespace": settings.operator_namespace, "labels": labels},
        "spec": {
            # It counts restarts of the container, too. The deadline ends them.
            "backoffLimit": _BACKOFF_LIMIT,
            "activeDeadlineSeconds": int(CLEANUP_TIMEOUT.total_seconds()),
            "ttlSecondsAfterFinished": _TTL_S,
            "template": {
                "metadata": {
                    "labels": base.labels(importer) | labels,
                    "annotations": importer.extras.annotations,
                },
                "spec": base.pod_spec(importer)
                | {
                    # The kubelet repeats a container that failed: next to an injected sidecar that never ends, its pod
                    # would never fail, and the Job controller would make no other one.
                    "restartPolicy": "OnFailure",
                    "containers": [_container(resource, importer)],
                    "volumes": [
                        {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
                        *base.volumes(importer),
                    ],
                },
            },
        },
    }


def _container(resource: Resource, importer: ImporterSettings) -> Object:
    variables = {DELETION_VARIABLE: cleanup_task(resource).model_dump_json(by_alias=True)}
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - a volume of the container's own
    container = base.container(
        importer, name=CLEANUP_CONTAINER, module="mediaimport_importer.deletion", variables=variables, mounts=mounts
    )
    return container | {"resources": {"requests": importer.resources.requests, "limits": importer.resources.limits}}


def cleanup_task(resource: Resource) -> Deletion:
    """Return the Job's task: whose asset to delete."""
    if resource.fingerprint is None:
        raise ValueError(f"nothing tells the source of {resource.name}")
    return Deletion(
        owner=resource.owner,
        user_id=resource.user_id,
        asset_id=resource.asset_id,
        source_fingerprint=resource.fingerprint,
    )


def read(item: Object, pods: Iterable[Object]) -> CleanupJob:
    """Return the Job's state, with the error of its newest try that failed.

    The container's end decides, as the importer's does: an injected sidecar that never ends keeps pod and Job from
    saying so.
    """
    job = read_job(item)
    own = [pod for pod in pods if controller_uid(pod) == job.uid]
    errors = [error for pod in sorted(own, key=_created) if (error := _error(pod))]
    return CleanupJob(
        created_at=job.created_at,
        complete=job.complete or any(_end(pod, "state").get("exitCode") == 0 for pod in own),
        failed=job.failure_reason is not None,
        last_error=errors[-1] if errors else None,
        name=job.name,
        uid=job.uid,
    )


def needs_pods(item: Object, *, now: datetime) -> bool:
    """Return whether the Job's pods tell more than the Job: one has failed, or the Job takes long."""
    job = read_job(item)
    slow = job.created_at is not None and now >= job.created_at + _SLOW and not job.finished
    return slow or bool((item.get("status") or {}).get("failed"))


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp"))


def _end(pod: Object, which: Literal["state", "lastState"]) -> Object:
    """Return the end of the container that deletes, or of the try before; empty without one."""
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        if each.get("name") == CLEANUP_CONTAINER:
            return (each.get(which) or {}).get("terminated") or {}
    return {}


def _error(pod: Object) -> str | None:
    """Return the error of the newest try in that pod: the kubelet keeps the end of the one before."""
    end = _end(pod, "state") or _end(pod, "lastState")
    code = end.get("exitCode")
    return public(end.get("message") or f"exit code {code}", MAX_MESSAGE // 2) if code else None


def is_ours(item: Object, resource: Resource) -> bool:
    """Return whether the Job is this resource's: its labels say so, and its task names the resource as the owner.

    An ownerReference cannot cross namespaces, and anybody may copy labels.
    """
    task = _task(item) if is_labelled(item, resource) else None
    return task is not None and task.owner == resource.owner


def is_labelled(item: Object, resource: Resource) -> bool:
    """Return whether a Job or pod has the labels of this resource's."""
    return objects.label(item, names.LABEL_UID) == resource.uid and objects.label(item, names.MANAGED_BY) == _MANAGER


def _task(item: Object) -> Deletion | None:
    """Return the task in a Job's container; None unless the Job deletes."""
    spec: Object = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
    own = (each for each in spec.get("containers") or [] if each.get("name") == CLEANUP_CONTAINER)
    variables = {each["name"]: each.get("value") for container in own for each in container.get("env") or []}
    try:
        return Deletion.model_validate_json(variables.get(DELETION_VARIABLE) or "")
    except ValidationError:
        return None
