"""The forgetful store in a cluster: a Secret with the way to the real one, a Deployment, a Service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.kube import Object

NAME = "forgetful"
_LABELS = {"app.kubernetes.io/name": NAME}
_AUTHORITY = "/etc/store"


def manifests(environment: Mapping[str, str], *, namespace: str) -> list[Object]:
    """Return the objects; `environment`: what dev.cluster tells of images and of the real store."""
    metadata = {"name": NAME, "namespace": namespace, "labels": _LABELS}
    port = {"name": "http", "port": 80, "targetPort": "http"}
    template = {"metadata": {"labels": _LABELS}, "spec": _pod(environment["MEDIAIMPORT_DEV_IMAGE"])}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": _settings(environment)},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": _LABELS, "ports": [port]}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"selector": {"matchLabels": _LABELS}, "template": template},
        },
    ]


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    settings = {name: value for name, value in environment.items() if name.startswith("S3_")}
    if bundle := settings.get("S3_CA_BUNDLE"):
        settings |= {"S3_CA_BUNDLE": f"{_AUTHORITY}/ca.crt", "ca.crt": Path(bundle).read_text()}
    return settings


def _pod(image: str) -> Object:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 2,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": NAME,
                "image": image,
                "command": ["python", "-m", "dev.forgetful"],
                "envFrom": [{"secretRef": {"name": NAME}}],
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
                "volumeMounts": [{"name": "settings", "mountPath": _AUTHORITY, "readOnly": True}],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
        "volumes": [{"name": "settings", "secret": {"secretName": NAME}}],
    }
