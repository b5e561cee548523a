"""Images of this checkout, named by the content of their sources: nothing is built or pushed twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.cluster import addresses
from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.commands import output
from dev.cluster.errors import CommandFailedError
from dev.cluster.images.base import DEBIAN, PAUSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from dev.cluster.images.buildah import Buildah

_PACKAGES = (
    "crds/mediaimport_api",
    "runtime/mediaimport_runtime",
    "operator/mediaimport_operator",
    "importer/mediaimport_importer",
    "prober/mediaimport_prober",
    "webhook/mediaimport_webhook",
    "checks/mediaimport_checks",
)
_PROGRAMS = (
    ".dockerignore",
    "Dockerfile",
    "dev/image",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements/build.txt",
    "requirements/catalogue.txt",
    "requirements/prober.txt",
    "requirements/runtime.txt",
    "requirements/viewer.txt",
    *_PACKAGES,
)
_DEV = (*_PROGRAMS, "dev", "tests/support", "requirements/media.txt")
_POSTGRESQL = ("dev/postgresql/Dockerfile", "dev/postgresql/serve.sh")
# Labels of the OCI: https://github.com/opencontainers/image-spec/blob/main/annotations.md
REVISION = "org.opencontainers.image.revision"
CREATED = "org.opencontainers.image.created"
CHANGED = "-dirty"
# A changed file time must not change a layer.
_NO_TIME = (0, 0)


@dataclass(frozen=True)
class Image:
    """Target of a Dockerfile and its sources.

    `stages`: targets that it only copies files from; they get a name, so that pruning keeps their layers.
    """

    name: str
    sources: tuple[str, ...]
    dockerfile: str = "Dockerfile"
    base: str = ""
    stages: tuple[str, ...] = ()


IMAGES = (
    Image("mediaimport", _PROGRAMS, stages=("kept", "package", "viewer")),
    Image("mediaimport-ffmpeg", _PROGRAMS, stages=("ffmpeg", "vips")),
    Image("mediaimport-dev", _DEV, dockerfile="dev/Dockerfile", base="mediaimport", stages=("media",)),
    Image("mediaimport-postgresql", _POSTGRESQL, dockerfile="dev/postgresql/Dockerfile"),
)


@dataclass(frozen=True)
class Context:
    """Copy of the sources, taken once, so that a file saved meanwhile cannot change the content of a tag."""

    folder: Path

    @classmethod
    def copy(cls, checkout: Path, folder: Path) -> Context:
        """Copy all that any image needs."""
        for file in source_files(checkout, _DEV):
            target = folder / file.relative_to(checkout)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
            os.utime(target, _NO_TIME)
        return cls(folder)

    def reference(self, image: Image) -> str:
        """Return the image's name in the node's registry; the tag is the hash of its sources."""
        return f"{addresses.REGISTRY}/{image.name}:{tag(self.folder, image.sources)}"


def source_files(root: Path, sources: Iterable[str]) -> list[Path]:
    """Return the files among the sources in order, without `__pycache__`."""
    found: set[Path] = set()
    for source in sources:
        path = root / source
        found.update(path.rglob("*") if path.is_dir() else [path])
    return sorted(file for file in found if file.is_file() and "__pycache__" not in file.parts)


def tag(root: Path, sources: Iterable[str]) -> str:
    """Return a hash of the content of the sources, 16 characters."""
    digest = hashlib.sha256()
    for file in source_files(root, sources):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def labels(checkout: Path, sources: Iterable[str]) -> dict[str, str]:
    """Return the last commit of these sources and its time: the same, whenever it is built. Empty without git."""
    if not shutil.which("git"):
        return {}
    git, paths = ("git", "-C", checkout), ("--", *sources)
    try:
        revision, created = output((*git, "log", "-1", "--format=%H %cI", *paths)).split()
        changed = output((*git, "status", "--porcelain", *paths))
    except (CommandFailedError, ValueError):  # no checkout, or one without a commit of these
        return {}
    return {REVISION: revision + (CHANGED if changed else ""), CREATED: created}


def is_pushed(cache: Cache, reference: str) -> bool:
    """Tell from the registry's files, even if it is not running, whether it has a complete image."""
    link = _link(cache, reference)
    return link.exists() and link.stat().st_size > 0


def mark_used(cache: Cache, references: Iterable[str]) -> None:
    """Set the time of the images' last use, which pruning goes by."""
    for reference in references:
        _link(cache, reference).touch()


def _link(cache: Cache, reference: str) -> Path:
    name, tag = reference.removeprefix(f"{addresses.REGISTRY}/").split(":")
    return cache.repositories / name / "_manifests/tags" / tag / "current/link"  # written last


def references(context: Context) -> dict[str, str]:
    """Return each image's name and its full reference."""
    return {image.name: context.reference(image) for image in IMAGES}


def lacking(cache: Cache, context: Context) -> list[Image]:
    """Return the images that the registry does not have."""
    return [image for image in IMAGES if not is_pushed(cache, context.reference(image))]


def build_all(cache: Cache, context: Context, buildah: Buildah) -> list[str]:
    """Build the images that the registry lacks; return their references."""
    to_build = lacking(cache, context)
    for image in _with_bases(to_build):
        _build(image, context, buildah, target=image.name, name=context.reference(image))
    return [context.reference(image) for image in to_build]


def built(name: str, context: Context, buildah: Buildah) -> str:
    """Build one image unless this machine has it, without pushing it; return its reference."""
    image = next(each for each in IMAGES if each.name == name)
    reference = context.reference(image)
    if not buildah.has(reference):
        _build(image, context, buildah, target=image.name, name=reference)
    return reference


def name_stages(context: Context, buildah: Buildah) -> None:
    """Name the stages that images copied files from; all of them were built just now."""
    for image in IMAGES:
        for stage in image.stages:
            _build(image, context, buildah, target=stage, name=f"localhost/{stage}:last")


def _build(image: Image, context: Context, buildah: Buildah, *, target: str, name: str) -> None:
    buildah.build(
        context.folder,
        dockerfile=context.folder / image.dockerfile,
        target=target,
        image=name,
        arguments=_arguments(image, context),
        # Each label takes a moment; an image with a base has the labels of its base.
        labels={} if image.base else labels(CHECKOUT, image.sources),
    )


def _with_bases(chosen: Sequence[Image]) -> list[Image]:
    """Return the images and those that they begin from, in the order of building."""
    bases = {image.base for image in chosen}
    return [image for image in IMAGES if image in chosen or image.name in bases]


def _arguments(image: Image, context: Context) -> Mapping[str, str]:
    base = next((other for other in IMAGES if other.name == image.base), None)
    return {"DEBIAN": DEBIAN} | ({base.name.upper(): context.reference(base)} if base else {})


def push_all(cache: Cache, built: Iterable[str], buildah: Buildah) -> None:
    """Push what was built, and the pause image once."""
    pause = f"{addresses.REGISTRY}/pause:1"
    if not is_pushed(cache, pause):
        buildah.push(PAUSE, pause)
    for reference in built:
        buildah.push(reference, reference)


def record(references: Mapping[str, str], checkout: Path = CHECKOUT) -> None:
    """Record the images that the last `up` of this checkout pushed."""
    file = _record_file(checkout)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(references, indent=1) + "\n")


def recorded(checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return the recorded images; empty before the first `up`."""
    file = _record_file(checkout)
    references: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return references


def _record_file(checkout: Path) -> Path:
    return checkout / "build" / "images.json"
