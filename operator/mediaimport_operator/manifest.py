"""The Job of one attempt, for Pod Security `restricted`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.task import (
    HEADERS_VARIABLE,
    IMPORTER_CONTAINER,
    PROBER_CONTAINER,
    TASK_VARIABLE,
    TERMINATION_MESSAGE_PATH,
    Task,
)

from mediaimport_operator import quantity

if TYPE_CHECKING:
    from typing import Any

    from mediaimport_operator.resource import Resource
    from mediaimport_operator.settings import ImporterSettings, Settings
    from mediaimport_operator.wire import Object

MANAGER = "mediaimport"
SCRATCH = "/scratch"
SOCKET_DIRECTORY = "/run/prober"
SOCKET = f"{SOCKET_DIRECTORY}/prober.sock"
HEADERS_DIRECTORY = "/etc/mediaimport/source-headers"
STORE_CA_DIRECTORY = "/etc/mediaimport/store-ca"
IMPORTER_UID, PROBER_UID = 65532, 65533
_GRACE_S = 30
_PROBER_MEMORY_REQUEST_BYTES = 128 * 1024**2
_DISK_BESIDE_SCRATCH_BYTES = 256 * 1024**2
"""Logs and the small /tmp volumes."""


def selector(instance: str) -> str:
    """Return the label selector of all Jobs and pods of this operator."""
    return f"{names.MANAGED_BY}={MANAGER},{names.LABEL_INSTANCE}={instance}"


def task(resource: Resource, settings: Settings, *, attempt: int) -> Task:
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
        max_size_bytes=spec.limits.max_size_bytes or settings.max_size_bytes,
        deadline_seconds=spec.limits.deadline_seconds or settings.deadline_s,
    )


def job(resource: Resource, settings: Settings, *, attempt: int, more_memory: bool = False) -> Object:
    """Return the Job of that attempt. Its name is the same each time, so that creating it twice makes one."""
    told = task(resource, settings, attempt=attempt)
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
                "metadata": {"labels": labels | NO_MESH, "annotations": _POD_ANNOTATIONS},
                "spec": _pod(told, settings, more_memory=more_memory),
            },
        },
    }


NO_MESH = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
_POD_ANNOTATIONS = {
    "linkerd.io/inject": "disabled",
    # An import that is moved starts again; its URL may not live that long.
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}


def _labels(resource: Resource, settings: Settings, *, attempt: int) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": MANAGER,
        "app.kubernetes.io/component": IMPORTER_CONTAINER,
        names.MANAGED_BY: MANAGER,
        names.LABEL_INSTANCE: settings.instance,
        names.LABEL_UID: resource.uid,
        names.LABEL_RUN: names.run_hash(resource.run),
        names.LABEL_ATTEMPT: str(attempt),
        names.LABEL_USER: resource.claim.user,
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


def _pod(told: Task, settings: Settings, *, more_memory: bool) -> Object:
    importer = settings.importer
    return pod(importer) | {
        "initContainers": [_prober(importer)],
        "containers": [_importer(told, importer, more_memory=more_memory)],
        "volumes": [*_volumes(importer), *_headers_volume(told)],
    }


def pod(importer: ImporterSettings) -> Object:
    """Return what all our pods have, whatever runs in them."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": IMPORTER_UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"serviceAccountName": importer.service_account} if importer.service_account else {}),
        **({"imagePullSecrets": [{"name": each} for each in importer.pull_secrets]} if importer.pull_secrets else {}),
        **importer.placement,
    }


def _importer(told: Task, importer: ImporterSettings, *, more_memory: bool) -> Object:
    memory = quantity.times(importer.memory, 2) if more_memory else importer.memory
    scratch_bytes = quantity.size_bytes(importer.scratch_size)
    environment = {
        TASK_VARIABLE: told.model_dump_json(by_alias=True, exclude_none=True),
        "SCRATCH_DIRECTORY": SCRATCH,
        "SCRATCH_SIZE_BYTES": str(scratch_bytes),
        "PROBER_SOCKET": SOCKET,
        **({HEADERS_VARIABLE: HEADERS_DIRECTORY} if told.spec.source.headers_secret_ref else {}),
        **store_ca(importer),
    }
    disk = str(scratch_bytes + _DISK_BESIDE_SCRATCH_BYTES)
    return {
        "name": IMPORTER_CONTAINER,
        "image": importer.image,
        "imagePullPolicy": importer.pull_policy,
        "command": ["python", "-m", "mediaimport_importer"],
        "env": env(environment),
        "envFrom": env_from(importer),
        "terminationMessagePath": TERMINATION_MESSAGE_PATH,
        # Never the log: media could have written into it.
        "terminationMessagePolicy": "File",
        "securityContext": confined(IMPORTER_UID),
        "resources": {
            # A request for the whole scratch space would keep most nodes from ever taking the pod.
            "requests": {"cpu": importer.cpu_request, "memory": memory, "ephemeral-storage": "64Mi"},
            "limits": {"memory": memory, "ephemeral-storage": disk},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "prober", "mountPath": SOCKET_DIRECTORY},
            {"name": "importer-tmp", "mountPath": "/tmp"},  # noqa: S108  a volume of the container's own
            *_headers_mount(told),
            *store_ca_mount(importer),
        ],
    }


def _prober(importer: ImporterSettings) -> Object:
    memory_bytes = min(_PROBER_MEMORY_REQUEST_BYTES, quantity.size_bytes(importer.prober_memory))
    return {
        "name": PROBER_CONTAINER,
        "image": importer.prober_image,
        "imagePullPolicy": importer.pull_policy,
        "restartPolicy": "Always",
        "command": ["python", "-m", "mediaimport_importer.prober"],
        "env": env({"PROBER_SOCKET": SOCKET, "SCRATCH_DIRECTORY": SCRATCH}),
        # It waits by itself: a probe that fails is repeated only after a whole second.
        "startupProbe": {
            "exec": {"command": ["sh", "-c", f"until test -S {SOCKET}; do sleep 0.02; done"]},
            "timeoutSeconds": 20,
            "periodSeconds": 1,
            "failureThreshold": 3,
        },
        "securityContext": confined(PROBER_UID),
        "resources": {
            "requests": {
                "cpu": importer.prober_cpu_request,
                "memory": str(memory_bytes),
                "ephemeral-storage": "16Mi",
            },
            "limits": {"memory": importer.prober_memory, "ephemeral-storage": str(_DISK_BESIDE_SCRATCH_BYTES)},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH, "readOnly": True},
            {"name": "prober", "mountPath": SOCKET_DIRECTORY},
            {"name": "prober-tmp", "mountPath": "/tmp"},  # noqa: S108  a volume of the container's own
        ],
    }


def confined(uid: int) -> Object:
    """Return the security context of a container of that user."""
    return {
        "runAsUser": uid,
        "runAsGroup": uid,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def env(variables: dict[str, str]) -> list[dict[str, str]]:
    """Return variables as a container has them."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def env_from(importer: ImporterSettings) -> list[dict[str, Any]]:
    """Return where a container has the store's settings and keys from."""
    config = [{"configMapRef": {"name": importer.config_map}}] if importer.config_map else []
    secret = [{"secretRef": {"name": importer.store_secret}}] if importer.store_secret else []
    return [*config, *secret]


def _volumes(importer: ImporterSettings) -> list[Object]:
    return [
        {"name": "scratch", "emptyDir": {"sizeLimit": importer.scratch_size}},
        {"name": "prober", "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": "importer-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "prober-tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        *store_ca_volume(importer),
    ]


def _headers_volume(told: Task) -> list[Object]:
    """Return the Secret of the source's request headers; optional, so that the importer can say that it is missing."""
    secret = told.spec.source.headers_secret_ref
    return [{"name": "source-headers", "secret": {"secretName": secret.name, "optional": True}}] if secret else []


def _headers_mount(told: Task) -> list[Object]:
    mount = {"name": "source-headers", "mountPath": HEADERS_DIRECTORY, "readOnly": True}
    return [mount] if told.spec.source.headers_secret_ref else []


def store_ca(importer: ImporterSettings) -> dict[str, str]:
    """Return the variable that names the store's private authority, if it has one."""
    return {"S3_CA_BUNDLE": f"{STORE_CA_DIRECTORY}/ca.crt"} if importer.store_ca_config_map else {}


def store_ca_volume(importer: ImporterSettings) -> list[Object]:
    """Return the volume that it comes from."""
    name = importer.store_ca_config_map
    return [{"name": "store-ca", "configMap": {"name": name}}] if name else []


def store_ca_mount(importer: ImporterSettings) -> list[Object]:
    """Return where that is mounted."""
    mount = {"name": "store-ca", "mountPath": STORE_CA_DIRECTORY, "readOnly": True}
    return [mount] if importer.store_ca_config_map else []
