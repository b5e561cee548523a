"""Manifests of a small test server for Pod Security `restricted`: Deployment of one pod and Service. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dev.cluster.kubectl import Object

PORT = 8080
"""Port inside the pod."""


def workload(name: str, namespace: str, pod: Object, *, app: str = "") -> list[Object]:
    """Return the Service, on port 80, and the Deployment; its state is in memory, so there is never a second pod.

    `app`: the value of its label, by default its name.
    """
    labels = {"app.kubernetes.io/name": app or name}
    about = {"name": name, "namespace": namespace, "labels": labels}
    port = {"name": "http", "port": 80, "targetPort": "http"}
    deployment = {
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {"selector": labels, "ports": [port]}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": deployment},
    ]


def readiness(check: Object) -> Object:
    """Return a probe that is quick to see a start, and slow to see an end.

    A Service refuses connections to a pod that is not ready, and on a busy machine an answer may take seconds.
    """
    return {**check, "periodSeconds": 1, "timeoutSeconds": 10, "failureThreshold": 30}


def serving(container: Object, *, volumes: Sequence[Object] = (), grace_s: int = 2) -> Object:
    """Return a pod's spec. `container`: name, image, command and more; it serves PORT and `/healthz`."""
    defaults = {
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": readiness({"httpGet": {"path": "/healthz", "port": "http"}}),
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace_s,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [defaults | container],
        "volumes": list(volumes),
    }
