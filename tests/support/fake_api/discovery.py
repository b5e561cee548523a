"""Discovery documents: which kinds there are, as kopf asks at its start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

_KINDS = {
    "v1": {"namespaces": "Namespace", "pods": "Pod", "events": "Event", "secrets": "Secret"},
    "batch/v1": {"jobs": "Job"},
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "mediaimport.dev/v1alpha1": {"mediaimports": "MediaImport"},
}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def document(path: str) -> Object | None:
    """Return the discovery document at that path."""
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "groups": [_group(each) for each in _KINDS if "/" in each]}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    return _resources(version) if version in _KINDS else None


def _group(version: str) -> Object:
    group, _, number = version.partition("/")
    about = {"groupVersion": version, "version": number}
    return {"name": group, "versions": [about], "preferredVersion": about}


def _resources(version: str) -> Object:
    resources: list[Object] = [
        {
            "name": plural,
            "singularName": kind.lower(),
            "namespaced": plural != "namespaces",
            "kind": kind,
            "verbs": _VERBS,
        }
        for plural, kind in _KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
