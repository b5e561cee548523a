"""Removal of old project images: each changed line adds three."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from dev.cluster import addresses
from dev.cluster.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from dev.cluster.cache import Cache
    from dev.cluster.images.buildah import Buildah

KEPT = 6
"""Tags of each image that stay: a few checkouts in turn find theirs."""
MANY = 12
"""Pruning takes seconds; it waits until there is something to win."""


def is_due(cache: Cache) -> bool:
    """Tell whether an image has many tags."""
    return any(len(_tags(repository)) > MANY for repository in _all(cache))


def prune(cache: Cache, buildah: Buildah, *, collector: str = "/usr/bin/docker-registry") -> None:
    """Remove all but the last used tags from the registry and from buildah, and what belonged to them alone.

    Only while nothing is pushed: the caller holds the lock. A pod's image is the node's own copy and stays.
    """
    for repository in _all(cache):
        for tag in _tags(repository)[KEPT:]:
            shutil.rmtree(tag)
    kept = {f"{addresses.REGISTRY}/{tag.parents[2].name}:{tag.name}" for each in _all(cache) for tag in _tags(each)}
    old = forgotten(buildah.names(), kept)
    if old:
        buildah.run("rmi", *old)
    # Layers of Dockerfiles as they were; those of today have a name (`Image.stages`) or a named image on top of them.
    buildah.run("rmi", "--prune")
    collect = (collector, "garbage-collect", "--delete-untagged", cache.node / "etc/registry.yaml")
    run(collect, log=cache.logs / "registry-prune.log")


def forgotten(names: Iterable[str], kept: Iterable[str]) -> Sequence[str]:
    """Return the names of our images in buildah's store that the registry no longer has."""
    ours = {name for name in names if name.startswith(f"{addresses.REGISTRY}/")}
    return sorted(ours - set(kept))


def _all(cache: Cache) -> list[Path]:
    return sorted(cache.repositories.iterdir()) if cache.repositories.exists() else []


def _tags(repository: Path) -> list[Path]:
    """Return the folders of the repository's tags, the last used first."""
    tags = repository / "_manifests/tags"
    found = list(tags.iterdir()) if tags.exists() else []
    return sorted(found, key=_used_at, reverse=True)


def _used_at(tag: Path) -> float:
    link = tag / "current/link"
    return link.stat().st_mtime if link.exists() else 0.0
