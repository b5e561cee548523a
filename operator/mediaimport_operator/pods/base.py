"""The part that all our pods share: Pod Security `restricted`, the store's settings, no service mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.task import TERMINATION_MESSAGE_PATH

from mediaimport_operator.decide.attempt import TERMINATION_GRACE

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.settings.importer import ImporterSettings

STORE_CA_DIRECTORY = "/etc/mediaimport/store-ca"
NO_MESH = {"sidecar.istio.io/inject": "false", "kuma.io/sidecar-injection": "disabled"}
"""Labels that keep the sidecar containers of service meshes out: with one, the pod of a Job would never end."""


def pod_spec(importer: ImporterSettings) -> Object:
    """Return the pod's spec without containers and volumes."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(TERMINATION_GRACE.total_seconds()),
        "securityContext": {
            "runAsNonRoot": True,
            **({"fsGroup": importer.uid, "fsGroupChangePolicy": "OnRootMismatch"} if importer.uid else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"serviceAccountName": importer.service_account} if importer.service_account else {}),
        **({"imagePullSecrets": [{"name": each} for each in importer.pull_secrets]} if importer.pull_secrets else {}),
        **importer.placement,
    }


def security_context(uid: int | None) -> Object:
    """Return a container's security context for Pod Security `restricted`; None leaves the uid to the namespace."""
    return {
        **({"runAsUser": uid, "runAsGroup": uid} if uid else {}),
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def labels(importer: ImporterSettings) -> dict[str, str]:
    """Return the installer's labels and those against service meshes; no selector uses them."""
    return importer.extras.labels | NO_MESH


def container(
    importer: ImporterSettings, *, name: str, module: str, variables: dict[str, str], mounts: list[Object]
) -> Object:
    """Return a container with the store's settings, a termination message and the installer's extras; no resources."""
    return {
        "name": name,
        "image": importer.image,
        "imagePullPolicy": importer.pull_policy,
        "command": ["python", "-m", module],
        # Of two variables with one name the last one counts.
        "env": [*importer.extras.env, *env(variables | _store_ca(importer))],
        "envFrom": _env_from(importer),
        "terminationMessagePath": TERMINATION_MESSAGE_PATH,
        # Never the log: hostile media could write into it.
        "terminationMessagePolicy": "File",
        "securityContext": security_context(importer.uid),
        "volumeMounts": [*mounts, *_store_ca_mount(importer), *importer.extras.volume_mounts],
    }


def env(variables: dict[str, str]) -> list[Object]:
    """Return the variables in the form of a container's `env`, as they are.

    The kubelet would read `$(NAME)` of an author's text as another variable of the container, and `$$` as `$`.
    """
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in variables.items()]


def volumes(importer: ImporterSettings) -> list[Object]:
    """Return the volumes that `container` mounts."""
    name = importer.store_ca_config_map
    store_ca = [{"name": "store-ca", "configMap": {"name": name}}] if name else []
    return [*store_ca, *importer.extras.volumes]


def _env_from(importer: ImporterSettings) -> list[Object]:
    """Return the sources of the store's settings and keys; the last one wins."""
    config = [{"configMapRef": {"name": importer.config_map}}] if importer.config_map else []
    secret = [{"secretRef": {"name": importer.store_secret}}] if importer.store_secret else []
    return [*importer.extras.env_from, *config, *secret]


def _store_ca(importer: ImporterSettings) -> dict[str, str]:
    """Return the variable that names the store's private certificate authority, if it has one."""
    return {"S3_CA_BUNDLE": f"{STORE_CA_DIRECTORY}/ca.crt"} if importer.store_ca_config_map else {}


def _store_ca_mount(importer: ImporterSettings) -> list[Object]:
    mount = {"name": "store-ca", "mountPath": STORE_CA_DIRECTORY, "readOnly": True}
    return [mount] if importer.store_ca_config_map else []
