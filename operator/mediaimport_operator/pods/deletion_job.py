"""The Job of `deletionPolicy: Delete`: in the operator's namespace, and nobody's, so that nothing takes it along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.status import MAX_MESSAGE
from mediaimport_api.task import DELETION_VARIABLE, ERASER_CONTAINER, Deletion
from mediaimport_runtime.kubernetes import objects
from mediaimport_runtime.text import public

from mediaimport_operator.decide.deletion import PATIENCE
from mediaimport_operator.decide.observed import Eraser
from mediaimport_operator.observe import job as jobs
from mediaimport_operator.pods import base, import_job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.importer import ImporterSettings
    from mediaimport_operator.settings.operator import Settings

_KEPT_S = 3600
"""A Job that failed may be read; one whose operator is gone must not stay for ever."""
_TRIES = 30


def name(resource: Resource) -> str:
    """Return the Job's name, the same each time."""
    return names.job_name(name=f"delete-{resource.name}", uid=resource.uid, run="deletionPolicy", attempt=1)


def selector(resource: Resource) -> str:
    """Return the label selector of its pods."""
    return f"{names.MANAGED_BY}={_MANAGER},{names.LABEL_UID}={resource.uid}"


_MANAGER = "mediaimport-deletion"
"""Not the importers': the watches and sweeps for those pass over it."""


def job(resource: Resource, settings: Settings) -> Object:
    """Return the Job."""
    labels = {
        "app.kubernetes.io/name": import_job.MANAGER,
        "app.kubernetes.io/component": ERASER_CONTAINER,
        names.MANAGED_BY: _MANAGER,
        names.LABEL_INSTANCE: settings.instance,
        names.LABEL_UID: resource.uid,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name(resource), "namespace": settings.operator_namespace, "labels": labels},
        "spec": {
            # Its own tries, with the Job controller's growing waits, until our patience ends.
            "backoffLimit": _TRIES,
            "activeDeadlineSeconds": int(PATIENCE.total_seconds()),
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {
                "metadata": {
                    "labels": base.labels(settings.importer) | labels,
                    "annotations": settings.importer.extras.annotations,
                },
                "spec": base.base(settings.importer)
                | {
                    "containers": [_container(resource, settings.importer)],
                    "volumes": [
                        {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
                        *base.volumes(settings.importer),
                    ],
                },
            },
        },
    }


def _container(resource: Resource, importer: ImporterSettings) -> Object:
    variables = {DELETION_VARIABLE: deletion(resource).model_dump_json(by_alias=True)}
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108  a volume of the container's own
    made = base.container(
        importer, name=ERASER_CONTAINER, module="mediaimport_importer.deletion", variables=variables, mounts=mounts
    )
    resources = {
        "requests": {"cpu": importer.cpu_request, "memory": importer.memory},
        "limits": {"memory": importer.memory},
    }
    return made | {"resources": resources}


def deletion(resource: Resource) -> Deletion:
    """Return what the Job is told."""
    spec, fingerprint = resource.spec, resource.fingerprint
    if spec is None or fingerprint is None:
        raise ValueError("an import without a valid spec has stored nothing")
    return Deletion(
        owner=resource.owner,
        user_id=spec.user_id,
        asset_id=resource.asset_id,
        source_fingerprint=fingerprint,
    )


def read(item: Object, pods: Iterable[Object]) -> Eraser:
    """Return how the Job stands, with the last words of its pods."""
    seen = jobs.read(item)
    said = [words for pod in sorted(pods, key=_created) if (words := _words(pod))]
    return Eraser(
        created_at=seen.created_at,
        complete=seen.complete,
        failed=seen.failure_reason is not None,
        words=said[-1] if said else None,
    )


def has_failed_once(item: Object) -> bool:
    """Tell whether there are last words to read."""
    return bool((item.get("status") or {}).get("failed"))


def _created(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp"))


def _words(pod: Object) -> str | None:
    for each in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return public(ended.get("message") or f"exit code {ended['exitCode']}", MAX_MESSAGE // 2)
    return None


def is_ours(item: Object, resource: Resource) -> bool:
    """Tell whether a Job of that name is this resource's."""
    return objects.label(item, names.LABEL_UID) == resource.uid and objects.label(item, names.MANAGED_BY) == _MANAGER
