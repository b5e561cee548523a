from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dev.cluster import addresses
from dev.cluster.images import project, prune
from dev.cluster.images.base import DEBIAN

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache


def push(cache: Cache, tag: str, *, used_at_s: int, name: str = "mediaimport") -> Path:
    link = cache.repositories / name / "_manifests/tags" / tag / "current/link"
    link.parent.mkdir(parents=True)
    link.write_text("sha256:0")
    os.utime(link, (used_at_s, used_at_s))
    return link


def tags(cache: Cache) -> set[str]:
    return {each.name for each in (cache.repositories / "mediaimport/_manifests/tags").iterdir()}


class StoredBuildah:
    """Fake buildah with images, which records its commands."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.commands: list[tuple[str, ...]] = []

    def names(self) -> list[str]:
        return list(self._names)

    def run(self, *command: str) -> None:
        self.commands.append(command)


def pruned(cache: Cache, *stored: str) -> StoredBuildah:
    """Prune, the registry's own collector played by `true`."""
    buildah = StoredBuildah(*stored)
    prune.prune(cache, buildah, collector="/bin/true")  # type: ignore[arg-type]  # runs as Buildah does
    return buildah


def test_nothing_is_due_on_a_new_machine(cache: Cache) -> None:
    assert not prune.is_due(cache)


def test_pruning_is_due_once_an_image_has_many_tags(cache: Cache) -> None:
    for number in range(prune.MANY):
        push(cache, f"t{number}", used_at_s=number)
    assert not prune.is_due(cache)
    push(cache, "one-more", used_at_s=0)
    assert prune.is_due(cache)


def test_tags_used_last_stay(cache: Cache) -> None:
    for number in range(prune.MANY):
        push(cache, f"t{number}", used_at_s=number)
    push(cache, "old-and-used", used_at_s=0)
    project.mark_used(cache, [f"{addresses.REGISTRY}/mediaimport:old-and-used"])

    pruned(cache)

    newest = {f"t{prune.MANY - 1 - number}" for number in range(prune.KEPT - 1)}
    assert tags(cache) == {"old-and-used"} | newest


def test_tag_that_was_never_whole_goes_first(cache: Cache) -> None:
    push(cache, "half", used_at_s=9_000_000_000).unlink()
    for number in range(prune.KEPT):
        push(cache, f"t{number}", used_at_s=number)

    pruned(cache)

    assert "half" not in tags(cache)


def test_buildah_forgets_our_images_that_the_registry_has_not_and_nothing_else(cache: Cache) -> None:
    push(cache, "new", used_at_s=1)
    ours = f"{addresses.REGISTRY}/mediaimport"

    buildah = pruned(cache, f"{ours}:new", f"{ours}:old", DEBIAN, "localhost/package:last")

    assert buildah.commands == [("rmi", f"{ours}:old"), ("rmi", "--prune")]
