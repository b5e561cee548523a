from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dev.cluster import addresses, images, prune
from dev.cluster.base import DEBIAN

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.places import Places


def push(places: Places, tag: str, *, used_at_s: int, name: str = "mediaimport") -> Path:
    link = places.repositories / name / "_manifests/tags" / tag / "current/link"
    link.parent.mkdir(parents=True)
    link.write_text("sha256:0")
    os.utime(link, (used_at_s, used_at_s))
    return link


def tags(places: Places) -> set[str]:
    return {each.name for each in (places.repositories / "mediaimport/_manifests/tags").iterdir()}


class StoredBuildah:
    """Has images, and remembers what it was told."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.commands: list[tuple[str, ...]] = []

    def names(self) -> list[str]:
        return list(self._names)

    def run(self, *command: str) -> None:
        self.commands.append(command)


def pruned(places: Places, *stored: str) -> StoredBuildah:
    """Prune, the registry's own collector played by `true`."""
    buildah = StoredBuildah(*stored)
    prune.prune(places, buildah, collector="/bin/true")  # type: ignore[arg-type]  # runs as Buildah does
    return buildah


def test_nothing_is_due_on_a_new_machine(places: Places) -> None:
    assert not prune.is_due(places)


def test_pruning_is_due_once_an_image_has_many_tags(places: Places) -> None:
    for number in range(prune.MANY):
        push(places, f"t{number}", used_at_s=number)
    assert not prune.is_due(places)
    push(places, "one-more", used_at_s=0)
    assert prune.is_due(places)


def test_tags_used_last_stay(places: Places) -> None:
    for number in range(prune.MANY):
        push(places, f"t{number}", used_at_s=number)
    push(places, "old-and-wanted", used_at_s=0)
    images.mark_used(places, [f"{addresses.REGISTRY}/mediaimport:old-and-wanted"])

    pruned(places)

    newest = {f"t{prune.MANY - 1 - number}" for number in range(prune.KEPT - 1)}
    assert tags(places) == {"old-and-wanted"} | newest


def test_tag_that_was_never_whole_goes_first(places: Places) -> None:
    push(places, "half", used_at_s=9_000_000_000).unlink()
    for number in range(prune.KEPT):
        push(places, f"t{number}", used_at_s=number)

    pruned(places)

    assert "half" not in tags(places)


def test_buildah_forgets_our_images_that_the_registry_has_not_and_nothing_else(places: Places) -> None:
    push(places, "new", used_at_s=1)
    ours = f"{addresses.REGISTRY}/mediaimport"

    buildah = pruned(places, f"{ours}:new", f"{ours}:old", DEBIAN, "localhost/package:last")

    assert buildah.commands == [("rmi", f"{ours}:old"), ("rmi", "--prune")]
