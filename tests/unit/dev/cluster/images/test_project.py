from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from dev.cluster.cache import CHECKOUT
from dev.cluster.images import project
from dev.cluster.images.base import DEBIAN
from dev.cluster.images.project import CHANGED, CREATED, IMAGES, REVISION, Context, Image, labels

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    package = tmp_path / "sources/package"
    package.mkdir(parents=True)
    (package / "a.py").write_text("one")
    return tmp_path / "sources"


def test_tag_is_the_contents_alone(sources: Path) -> None:
    before = project.tag(sources, ["package"])
    os.utime(sources / "package/a.py", (1, 1))
    (sources / "package/__pycache__").mkdir()
    (sources / "package/__pycache__/a.pyc").write_text("compiled")
    (sources / "elsewhere.py").write_text("not ours")
    assert project.tag(sources, ["package"]) == before


def test_tag_changes_with_a_line(sources: Path) -> None:
    before = project.tag(sources, ["package"])
    (sources / "package/a.py").write_text("two")
    assert project.tag(sources, ["package"]) != before


def test_tag_changes_with_a_files_name(sources: Path) -> None:
    before = project.tag(sources, ["package"])
    (sources / "package/a.py").rename(sources / "package/b.py")
    assert project.tag(sources, ["package"]) != before


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


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_tag_covers_all_that_the_dockerfile_copies(image: Image) -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (CHECKOUT / image.dockerfile).read_text(), re.MULTILINE)
    assert copied
    for source in " ".join(copied).split():
        assert any(source == each or source.startswith(f"{each}/") for each in image.sources), source


def push(cache: Cache, reference: str) -> None:
    _, name_and_tag = reference.split("/")
    name, tag = name_and_tag.split(":")
    link = cache.registry / f"docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link"
    link.parent.mkdir(parents=True)
    link.write_text("sha256:0")


@dataclass
class RecordingBuildah:
    """Fake buildah that records the requested builds."""

    targets: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, _: Path, *, target: str, arguments: dict[str, str], **__: object) -> None:
        self.targets.append(target)
        self.arguments[target] = arguments


def test_nothing_is_built_that_the_registry_has(cache: Cache, tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path / "context")
    for reference in project.references(context).values():
        push(cache, reference)
    assert project.lacking(cache, context) == []


def test_image_with_half_a_tag_is_lacking(cache: Cache, tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path / "context")
    reference = context.reference(IMAGES[0])
    push(cache, reference)
    next(cache.registry.rglob("link")).write_text("")
    assert not project.is_pushed(cache, reference)


def test_image_is_built_after_the_one_that_it_begins_from(cache: Cache, tmp_path: Path) -> None:
    context = Context.copy(CHECKOUT, tmp_path / "context")
    own, ffmpeg, dev, postgresql = IMAGES
    for each in (own, ffmpeg, postgresql):
        push(cache, context.reference(each))
    buildah = RecordingBuildah()
    built = project.build_all(cache, context, buildah)  # type: ignore[arg-type]  # builds as Buildah does
    assert buildah.targets == ["mediaimport", "mediaimport-dev"]
    assert buildah.arguments["mediaimport-dev"] == {"DEBIAN": DEBIAN, "MEDIAIMPORT": context.reference(own)}
    assert built == [context.reference(dev)]


def test_stages_that_only_lend_files_get_a_name(tmp_path: Path) -> None:
    buildah = RecordingBuildah()
    project.name_stages(Context.copy(CHECKOUT, tmp_path), buildah)  # type: ignore[arg-type]  # builds as Buildah does
    for dockerfile in {image.dockerfile for image in IMAGES}:
        lending = set(re.findall(r"^COPY --from=(\w+)", (CHECKOUT / dockerfile).read_text(), re.MULTILINE))
        assert lending == {stage for image in IMAGES if image.dockerfile == dockerfile for stage in image.stages}
    assert buildah.targets == [stage for image in IMAGES for stage in image.stages]


def test_checkout_remembers_its_images(tmp_path: Path) -> None:
    assert project.recorded(tmp_path) == {}
    project.record({"mediaimport": "registry/mediaimport:1"}, tmp_path)
    assert project.recorded(tmp_path) == {"mediaimport": "registry/mediaimport:1"}


GIT = shutil.which("git") or "git"
TIME = "2026-01-02T03:04:05+00:00"


def git(checkout: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")
    environ = os.environ | {"GIT_COMMITTER_DATE": TIME}
    done = subprocess.run(
        [GIT, "-C", str(checkout), *identity, *arguments], env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "source").write_text("one")
    git(tmp_path, "add", "source")
    git(tmp_path, "commit", "--quiet", "--message", "One")
    return tmp_path


def test_revision_and_time_are_those_of_the_last_commit(checkout: Path) -> None:
    assert labels(checkout, ["source"]) == {REVISION: git(checkout, "rev-parse", "HEAD"), CREATED: TIME}


def test_commit_of_other_files_changes_nothing(checkout: Path) -> None:
    before = labels(checkout, ["source"])
    (checkout / "other").write_text("two")
    git(checkout, "add", "other")
    git(checkout, "commit", "--quiet", "--message", "Two")
    assert labels(checkout, ["source"]) == before


def test_uncommitted_change_shows(checkout: Path) -> None:
    (checkout / "source").write_text("changed")
    assert labels(checkout, ["source"])[REVISION].endswith(CHANGED)


def test_no_checkout_has_no_labels(tmp_path: Path) -> None:
    assert labels(tmp_path, ["source"]) == {}
