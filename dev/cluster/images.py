"""Our images: named by the content that they are made of, so that nothing is built or pushed twice."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import addresses
from dev.cluster.base import PAUSE
from dev.cluster.buildah import Buildah
from dev.cluster.labels import labels
from dev.cluster.places import CHECKOUT, Places

_PACKAGES = (
    "crds/mediaimport_api",
    "operator/mediaimport_operator",
    "importer/mediaimport_importer",
    "webhook/mediaimport_webhook",
    "checks/mediaimport_checks",
)
_OURS = (
    ".dockerignore",
    "Dockerfile",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements/build.txt",
    "requirements/runtime.txt",
    "requirements/viewer.txt",
    *_PACKAGES,
)
_DEV = (*_OURS, "dev", "requirements/media.txt")
# What a changed file time must not do: make a layer anew.
_NO_TIME = (0, 0)


@dataclass(frozen=True)
class Image:
    """A target of a Dockerfile and the sources that go into it.

    `stages`: targets that only lend it files; kept under a name, pruning leaves their layers for the next build.
    """

    name: str
    sources: tuple[str, ...]
    dockerfile: str = "Dockerfile"
    base: str = ""
    stages: tuple[str, ...] = ()


IMAGES = (
    Image("mediaimport", _OURS, stages=("package", "viewer")),
    Image("mediaimport-ffmpeg", _OURS),
    Image("mediaimport-dev", _DEV, dockerfile="dev/Dockerfile", base="mediaimport", stages=("media",)),
)


@dataclass(frozen=True)
class Context:
    """A copy of the sources, taken once: an editor that saves meanwhile cannot slip into a tag that is not its own."""

    folder: Path

    @classmethod
    def copy(cls, checkout: Path, folder: Path) -> "Context":
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
    """Return the files among the sources, in order, without what Python leaves beside them."""
    found: set[Path] = set()
    for source in sources:
        path = root / source
        found.update(path.rglob("*") if path.is_dir() else [path])
    return sorted(file for file in found if file.is_file() and "__pycache__" not in file.parts)


def tag(root: Path, sources: Iterable[str]) -> str:
    """Name the content of the sources in 16 characters."""
    digest = hashlib.sha256()
    for file in source_files(root, sources):
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def is_pushed(places: Places, reference: str) -> bool:
    """Tell from the registry's files, whether or not it is running, that it has an image whole."""
    link = _link(places, reference)
    return link.exists() and link.stat().st_size > 0


def mark_used(places: Places, references: Iterable[str]) -> None:
    """Let pruning see that images are wanted still."""
    for reference in references:
        _link(places, reference).touch()


def _link(places: Places, reference: str) -> Path:
    name, tag = reference.removeprefix(f"{addresses.REGISTRY}/").split(":")
    return places.repositories / name / "_manifests/tags" / tag / "current/link"  # written last


def references(context: Context) -> dict[str, str]:
    """Return each image's name and its full reference."""
    return {image.name: context.reference(image) for image in IMAGES}


def lacking(places: Places, context: Context) -> list[Image]:
    """Return the images that the registry does not have."""
    return [image for image in IMAGES if not is_pushed(places, context.reference(image))]


def build_all(places: Places, context: Context, buildah: Buildah) -> list[str]:
    """Build the images that the registry lacks; return their references."""
    to_build = lacking(places, context)
    for image in _with_bases(to_build):
        _build(image, context, buildah, target=image.name, name=context.reference(image))
    return [context.reference(image) for image in to_build]


def name_stages(context: Context, buildah: Buildah) -> None:
    """Name what images took files from; all of it was built just now."""
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
        # Each takes a moment; an image with a base has the base's.
        labels={} if image.base else labels(CHECKOUT, image.sources),
    )


def _with_bases(chosen: Sequence[Image]) -> list[Image]:
    """Return the images and those that they begin from, in the order of building."""
    bases = {image.base for image in chosen}
    return [image for image in IMAGES if image in chosen or image.name in bases]


def _arguments(image: Image, context: Context) -> Mapping[str, str]:
    base = next((other for other in IMAGES if other.name == image.base), None)
    return {base.name.upper(): context.reference(base)} if base else {}


def push_all(places: Places, built: Iterable[str], buildah: Buildah) -> None:
    """Push what was built, and the pause image once."""
    pause = f"{addresses.REGISTRY}/pause:1"
    if not is_pushed(places, pause):
        buildah.push(PAUSE, pause)
    for reference in built:
        buildah.push(reference, reference)


def remember(references: Mapping[str, str], checkout: Path = CHECKOUT) -> None:
    """Write down which images this checkout's last `up` put into the cluster."""
    file = _memory(checkout)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(references, indent=1) + "\n")


def recall(checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return what `remember` wrote; empty before the first `up`."""
    file = _memory(checkout)
    recalled: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return recalled


def _memory(checkout: Path) -> Path:
    return checkout / "build" / "images.json"
