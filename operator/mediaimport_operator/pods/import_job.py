"""The Job of one attempt and its pod: the importer with keys and network, the prober with neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.names import HEADERS_VARIABLE, TASK_VARIABLE
from mediaimport_api.task import IMPORTER_CONTAINER, PROBER_CONTAINER, Task
from mediaimport_runtime.kubernetes import quantity

from mediaimport_operator.observe.job import attempt_labels
from mediaimport_operator.pods import base, session

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.importer import ImporterSettings
    from mediaimport_operator.settings.operator import Settings
    from mediaimport_operator.settings.resources import Resources

MANAGER = "mediaimport"
SCRATCH = "/scratch"
SOCKET_DIRECTORY = "/run/prober"
SOCKET = f"{SOCKET_DIRECTORY}/prober.sock"
HEADERS_DIRECTORY = "/etc/mediaimport/source-headers"
_PROBER_MEMORY_VARIABLE: Object = {
    # The limit that the container really has, also where admission has changed it.
    "name": "PROBER_MEMORY_BYTES",
    "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}},
}
_DISK_BESIDES_SCRATCH_BYTES = 256 * 1024**2
"""The room for logs and the small /tmp volumes."""
_POD_ANNOTATIONS = {
    "linkerd.io/inject": "disabled",
    # The prober parses hostile media: it gets no cloud identity (IRSA, workload identity) of the pod.
    "eks.amazonaws.com/skip-containers": PROBER_CONTAINER,
    "azure.workload.identity/skip-containers": PROBER_CONTAINER,
    # An evicted import starts again, and its URL may have expired by then.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}


def selector(instance: str) -> str:
    """Return the label selector of this operator's import Jobs and their pods."""
    return f"{names.MANAGED_BY}={MANAGER},{names.LABEL_INSTANCE}={instance}"


def task(
    resource: Resource, settings: Settings, *, attempt: int, more_memory: bool = False, look_at_store: bool = False
) -> Task:
    """Return the importer's task, its limits filled in from the settings."""
    spec = resource.spec
    if spec is None:
        raise ValueError("an import without a valid spec has no task")
    return Task(
        owner=resource.owner,
        asset_id=resource.asset_id,
        spec=spec,
        run=resource.run,
        created_at=resource.created_at,
        attempt=attempt,
        look_at_store=look_at_store,
        more_memory=more_memory,
        max_size_bytes=spec.limits.max_size_bytes or settings.max_size_bytes,
        deadline_seconds=spec.limits.deadline_seconds or settings.deadline_s,
    )


def job(
    resource: Resource, settings: Settings, *, attempt: int, more_memory: bool = False, look_at_store: bool = False
) -> Object:
    """Return the Job of that attempt. Its name is deterministic, so a second create is a conflict and no second Job."""
    importer_task = task(resource, settings, attempt=attempt, more_memory=more_memory, look_at_store=look_at_store)
    name = names.job_name(name=resource.name, uid=resource.uid, run=resource.run, attempt=attempt)
    importer = session.importer_settings(settings, job_name=name)
    labels = _labels(resource, settings, attempt=attempt)
    queue = resource.queue_labels if settings.kueue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": resource.namespace,
            "labels": labels | queue,
            "ownerReferences": [_owner(resource)],
        },
        "spec": {
            # Kueue resumes the Job once it has admitted it.
            **({"suspend": True} if queue else {}),
            "backoffLimit": 0,
            # By default a resumed Job has its next pod while the last one still terminates.
            "podReplacementPolicy": "Failed",
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": importer_task.deadline_seconds,
            "template": {
                "metadata": {
                    "labels": base.labels(importer) | labels,
                    "annotations": importer.extras.annotations | _POD_ANNOTATIONS,
                },
                "spec": _pod_spec(importer_task, importer),
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
        **attempt_labels(resource.uid, resource.run, attempt),
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


def _pod_spec(importer_task: Task, importer: ImporterSettings) -> Object:
    return base.pod_spec(importer) | {
        "initContainers": [_prober(importer, _resources(importer_task, importer.prober_resources))],
        "containers": [_importer(importer_task, importer, _resources(importer_task, importer.resources))],
        "volumes": [*_volumes(importer), *_headers_volume(importer_task)],
    }


def _resources(importer_task: Task, resources: Resources) -> Resources:
    return resources.with_more_memory() if importer_task.more_memory else resources


def _importer(importer_task: Task, importer: ImporterSettings, resources: Resources) -> Object:
    scratch_bytes = quantity.size_bytes(importer.scratch_size)
    environment = {
        TASK_VARIABLE: importer_task.model_dump_json(by_alias=True, exclude_none=True),
        "SCRATCH_DIRECTORY": SCRATCH,
        "SCRATCH_SIZE_BYTES": str(scratch_bytes),
        "PROBER_SOCKET": SOCKET,
        **({HEADERS_VARIABLE: HEADERS_DIRECTORY} if importer_task.spec.source.headers_secret_ref else {}),
    }
    disk = str(scratch_bytes + _DISK_BESIDES_SCRATCH_BYTES)
    mounts = [
        {"name": "scratch", "mountPath": SCRATCH},
        {"name": "prober", "mountPath": SOCKET_DIRECTORY},
        {"name": "importer-tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the container's own
        *_headers_mount(importer_task),
    ]
    container = base.container(
        importer, name=IMPORTER_CONTAINER, module="mediaimport_importer", variables=environment, mounts=mounts
    )
    # Most nodes could never fit a request for the whole scratch space.
    return container | {"resources": resources.manifest(disk_request="64Mi", disk_limit=disk)}


def _prober(importer: ImporterSettings, resources: Resources) -> Object:
    return {
        "name": PROBER_CONTAINER,
        "image": importer.prober_image,
        "imagePullPolicy": importer.prober_pull_policy,
        "restartPolicy": "Always",
        "command": ["python", "-m", "mediaimport_prober"],
        "env": [*base.env({"PROBER_SOCKET": SOCKET, "SCRATCH_DIRECTORY": SCRATCH}), _PROBER_MEMORY_VARIABLE],
        # No startup probe: the importer waits for the socket, and may fetch its media meanwhile.
        "securityContext": base.security_context(importer.prober_uid),
        "resources": resources.manifest(disk_request="16Mi", disk_limit=str(_DISK_BESIDES_SCRATCH_BYTES)),
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH, "readOnly": True},
            {"name": "prober", "mountPath": SOCKET_DIRECTORY},
            {"name": "prober-tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the container's own
        ],
    }


def _volumes(importer: ImporterSettings) -> list[Object]:
    return [
        {"name": "scratch", "emptyDir": {"sizeLimit": importer.scratch_size}},
        {"name": "prober", "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": "importer-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "prober-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        *base.volumes(importer),
    ]


def _headers_volume(importer_task: Task) -> list[Object]:
    """Return the volume of the source's request headers.

    It is optional, so that the importer starts and can report a missing Secret.
    """
    secret = importer_task.spec.source.headers_secret_ref
    return [{"name": "source-headers", "secret": {"secretName": secret.name, "optional": True}}] if secret else []


def _headers_mount(importer_task: Task) -> list[Object]:
    mount = {"name": "source-headers", "mountPath": HEADERS_DIRECTORY, "readOnly": True}
    return [mount] if importer_task.spec.source.headers_secret_ref else []
