"""Kueue (https://kueue.sigs.k8s.io) on the development cluster: compiled, installed by its own chart."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dev.cluster import addresses
from dev.cluster.cache import Cache
from dev.cluster.images import project
from dev.cluster.images.buildah import Buildah
from dev.cluster.programs import go

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.cluster.kubectl import Kube

RELEASE, NAMESPACE = "kueue", "kueue-system"
_MODULE = "sigs.k8s.io/kueue"


@contextmanager
def installed(kube: Kube, *, namespace: str) -> Iterator[None]:
    """Install Kueue for the Jobs of one namespace that name a queue."""
    kube.helm(
        *("upgrade", "--install", RELEASE, str(_chart()), "--namespace", NAMESPACE, "--create-namespace"),
        *("--values", "-", "--wait", "--timeout", "180s"),
        given=json.dumps(_values(_pushed_image(), namespace)),
    )
    try:
        yield
    finally:
        kube.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
        kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def queue(kube: Kube, *, namespace: str, name: str, **nominal: str) -> None:
    """Create a queue, with a ClusterQueue that admits so much of each resource."""
    resources = [{"name": key.replace("_", "-"), "nominalQuota": value} for key, value in nominal.items()]
    flavor = {"name": name, "resources": resources}
    group = {"coveredResources": [each["name"] for each in resources], "flavors": [flavor]}
    kube.apply(
        [
            _object("ResourceFlavor", name),
            _object("ClusterQueue", name, {"namespaceSelector": {}, "resourceGroups": [group]}),
            _object("LocalQueue", name, {"clusterQueue": name}, namespace),
        ]
    )


def _object(kind: str, name: str, spec: dict[str, Any] | None = None, namespace: str = "") -> dict[str, Any]:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": kind, "metadata": meta} | ({"spec": spec} if spec else {})


def _chart() -> Path:
    """Return Kueue's own chart, of the version that is compiled."""
    return go.source(go.KUEUE, _MODULE) / "charts" / "kueue"


def _values(image: str, namespace: str) -> dict[str, Any]:
    repository, _, tag = image.rpartition(":")
    configuration = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443"},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": False},
        "integrations": {"frameworks": ["batch/job"]},
        "managedJobsNamespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }
    return {
        "fullnameOverride": RELEASE,
        "controllerManager": {
            "manager": {
                "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            }
        },
        "managerConfig": {"controllerManagerConfigYaml": json.dumps(configuration)},
    }


def _pushed_image() -> str:
    """Return the reference of an image with only the program, pushed to the node's registry."""
    home, cache = go.built(go.KUEUE.name), Cache.of(os.environ)
    image = f"{addresses.REGISTRY}/kueue:{home.name.rpartition('-')[2]}"
    if project.is_pushed(cache, image):
        return image
    with cache.locked():
        program = cache.scratch / "manager"  # the name in its chart
        shutil.copy(home / "kueue", program)
        buildah = Buildah.at(cache)
        buildah.import_tar(program, image, "--entrypoint", '["/manager"]', "--user", "65532:65532")
        buildah.push(image, image)
    return image
