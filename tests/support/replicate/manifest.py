"""The stand-in in a cluster: a namespace, a Deployment and a Service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.workload import serving, workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.kubectl import Kube, Object

NAME = "replicate"
_APP = "replicate-stand-in"


@dataclass(frozen=True)
class StandIn:
    """Stand-in deployed in a cluster."""

    namespace: str
    address: str
    """IP address of its Service."""

    @property
    def url(self) -> str:
        """Replicate's base URL, and the beginning of its files' URLs."""
        return _url(self.namespace)

    @property
    def target(self) -> str:
        """Service of the stand-in, for `kubectl port-forward`."""
        return f"service/{NAME}"


def deploy(kube: Kube, *, image: str, namespace: str = NAME, variables: Mapping[str, str] | None = None) -> StandIn:
    """Run the stand-in from the image `mediaimport-dev`; it is ready when `wait_for_rollout` returns.

    `variables`: those of tests.support.replicate.settings, where the defaults do not suit.
    """
    kube.apply(manifests(image=image, namespace=namespace, variables=variables or {}))
    service = kube.get("service", NAME, namespace=namespace)
    return StandIn(namespace, service["spec"]["clusterIP"])


def manifests(*, image: str, namespace: str, variables: Mapping[str, str]) -> list[Object]:
    """Return what `deploy` applies."""
    pod_security = {"pod-security.kubernetes.io/enforce": "restricted"}
    about = {"name": namespace, "labels": pod_security}
    pod = _pod(image, {"PUBLIC_URL": _url(namespace), **variables})
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": about}, *workload(NAME, namespace, pod, app=_APP)]


def _pod(image: str, environment: Mapping[str, str]) -> Object:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python", "-m", "tests.support.replicate"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
    }
    return serving(container, grace_s=5)


def _url(namespace: str) -> str:
    return f"http://{NAME}.{namespace}.svc"
