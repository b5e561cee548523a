"""The forgetful store in a cluster: a Secret with the settings of the real one, a Deployment, a Service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.workload import serving, workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.kubectl import Object

NAME = "forgetful"
_AUTHORITY = "/etc/store"


def manifests(environment: Mapping[str, str], *, namespace: str) -> list[Object]:
    """Return the objects; `environment`: images and real store, as dev.cluster has them."""
    about = {"name": NAME, "namespace": namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": _settings(environment)}
    return [secret, *workload(NAME, namespace, _pod(environment["MEDIAIMPORT_DEV_IMAGE"]))]


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    settings = {name: value for name, value in environment.items() if name.startswith("S3_")}
    if bundle := settings.get("S3_CA_BUNDLE"):
        settings |= {"S3_CA_BUNDLE": f"{_AUTHORITY}/ca.crt", "ca.crt": Path(bundle).read_text()}
    return settings


def _pod(image: str) -> Object:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python", "-m", "tests.support.forgetful_store"],
        "envFrom": [{"secretRef": {"name": NAME}}],
        "volumeMounts": [{"name": "settings", "mountPath": _AUTHORITY, "readOnly": True}],
    }
    return serving(container, volumes=[{"name": "settings", "secret": {"secretName": NAME}}])
