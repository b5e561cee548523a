from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from dev.cluster import images
from dev.cluster.images import IMAGES, Context
from dev.cluster.places import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.places import Places


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    package = tmp_path / "sources/package"
    package.mkdir(parents=True)
    (package / "a.py").write_text("one")
    return tmp_path / "sources"


def test_tag_is_the_contents_alone(sources: Path) -> None:
    before = images.tag(sources, ["package"])
    os.utime(sources / "package/a.py", (1, 1))
    (sources / "package/__pycache__").mkdir()
    (sources / "package/__pycache__/a.pyc").write_text("made by python")
    (sources / "elsewhere.py").write_text("not ours")
    assert images.tag(sources, ["package"]) == before


def test_tag_changes_with_a_line(sources: Path) -> None:
    before = images.tag(sources, ["package"])
    (sources / "package/a.py").write_text("two")
    assert images.tag(sources, ["package"]) != before


def test_tag_changes_with_a_files_name(sources: Path) -> None:
    before = images.tag(sources, ["package"])
    (sources / "package/a.py").rename(sources / "package/b.py")
    assert images.tag(sources, ["package"]) != before


def test_context_keeps_the_contents_of_the_moment(tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path)
    for image in IMAGES:
        assert (context.folder / image.dockerfile).read_bytes() == (CHECKOUT / image.dockerfile).read_bytes()
    (context.folder / "pyproject.toml").write_text("changed")
    assert Context.copy(CHECKOUT, tmp_path / "again").reference(IMAGES[0]) != context.reference(IMAGES[0])


def test_every_package_of_the_wheel_is_in_the_context(tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path)
    for init in CHECKOUT.glob("*/mediaimport_*/__init__.py"):
        assert (context.folder / init.relative_to(CHECKOUT)).exists()


def push(places: Places, reference: str) -> None:
    _, name_and_tag = reference.split("/")
    name, tag = name_and_tag.split(":")
    link = places.registry / f"docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link"
    link.parent.mkdir(parents=True)
    link.write_text("sha256:0")


@dataclass
class RecordingBuildah:
    """Remembers what it was asked to build."""

    targets: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, _: Path, *, target: str, arguments: dict[str, str], **__: object) -> None:
        self.targets.append(target)
        self.arguments[target] = arguments


def test_nothing_is_built_that_the_registry_has(places: Places, tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path / "context")
    for reference in images.references(context).values():
        push(places, reference)
    assert images.lacking(places, context) == []


def test_image_with_half_a_tag_is_lacking(places: Places, tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path / "context")
    reference = context.reference(IMAGES[0])
    push(places, reference)
    next(places.registry.rglob("link")).write_text("")
    assert not images.is_pushed(places, reference)


def test_image_is_built_after_the_one_that_it_begins_from(places: Places, tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path / "context")
    own, ffmpeg, dev = IMAGES
    push(places, context.reference(own))
    push(places, context.reference(ffmpeg))
    buildah = RecordingBuildah()
    built = images.build_all(places, context, buildah)  # type: ignore[arg-type]  # builds as Buildah does
    assert buildah.targets == ["mediaimport", "mediaimport-dev"]
    assert buildah.arguments["mediaimport-dev"] == {"MEDIAIMPORT": context.reference(own)}
    assert built == [context.reference(dev)]


def test_stages_that_only_lend_files_get_a_name(tmp_path: Path) -> None:
    buildah = RecordingBuildah()
    images.name_stages(Context.copy(CHECKOUT, tmp_path), buildah)  # type: ignore[arg-type]  # builds as Buildah does
    for dockerfile in {image.dockerfile for image in IMAGES}:
        lending = set(re.findall(r"^COPY --from=(\w+)", (CHECKOUT / dockerfile).read_text(), re.MULTILINE))
        assert lending == {stage for image in IMAGES if image.dockerfile == dockerfile for stage in image.stages}
    assert buildah.targets == [stage for image in IMAGES for stage in image.stages]


def test_checkout_remembers_its_images(tmp_path: Path) -> None:
    assert images.recall(tmp_path) == {}
    images.remember({"mediaimport": "registry/mediaimport:1"}, tmp_path)
    assert images.recall(tmp_path) == {"mediaimport": "registry/mediaimport:1"}
