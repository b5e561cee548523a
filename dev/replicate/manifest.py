"""The stand-in in a cluster: a namespace, a Deployment and a Service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.kube import Kube, Object

NAME = "replicate"
PORT = 80
_LABELS = {"app.kubernetes.io/name": "replicate-stand-in"}


@dataclass(frozen=True)
class StandIn:
    """Where the stand-in is, inside the cluster."""

    namespace: str
    address: str
    """Of its Service."""

    @property
    def url(self) -> str:
        """Replicate's base URL, and the beginning of its files' URLs."""
        return _url(self.namespace)

    @property
    def target(self) -> str:
        """What kubectl reaches it by."""
        return f"service/{NAME}"


def deploy(kube: Kube, *, image: str, namespace: str = NAME, variables: Mapping[str, str] | None = None) -> StandIn:
    """Run the stand-in from the image `mediaimport-dev`; it is ready when `wait_for_rollout` returns.

    `variables`: those of dev.replicate.settings, where the defaults do not suit.
    """
    kube.apply(manifests(image=image, namespace=namespace, variables=variables or {}))
    service = kube.get("service", NAME, namespace=namespace)
    return StandIn(namespace, service["spec"]["clusterIP"])


def manifests(*, image: str, namespace: str, variables: Mapping[str, str]) -> list[Object]:
    """Return what `deploy` applies."""
    pod_security = {"pod-security.kubernetes.io/enforce": "restricted"}
    port = {"name": "http", "port": PORT, "targetPort": "http"}
    environment = {"PUBLIC_URL": _url(namespace), **variables}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": pod_security}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {"selector": _LABELS, "ports": [port]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": namespace, "labels": _LABELS},
            "spec": {
                # Predictions are in its memory: never two at a time.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod(image, environment)},
            },
        },
    ]


def _pod(image: str, environment: Mapping[str, str]) -> Object:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": NAME,
                "image": image,
                "command": ["python", "-m", "dev.replicate"],
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }


def _url(namespace: str) -> str:
    return f"http://{NAME}.{namespace}.svc"
