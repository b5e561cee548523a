"""Base images, built here without a registry: Debian, and the pause container of pods."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from dev.cluster.commands import run_enclosed
from dev.cluster.images.buildah import SETTINGS, Buildah

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache

DEBIAN = "docker.io/library/debian:trixie-slim"
PAUSE = "localhost/pause:1"
# Files that the published image of that name leaves out, also of packages installed later.
_SLIM = (
    *(
        f"path-exclude=/usr/share/{folder}/*"
        for folder in ("doc", "groff", "info", "linda", "lintian", "locale", "man")
    ),
    "path-include=/usr/share/doc/*/copyright",
)
_RECIPE = (
    *("mmdebstrap", "--variant=minbase", "--include=ca-certificates"),
    *(f"--dpkgopt={option}" for option in _SLIM),
    "trixie",
)
_BUILT = f"localhost/debian:{hashlib.sha256(repr(_RECIPE).encode()).hexdigest()[:16]}"


def store_debian(cache: Cache, buildah: Buildah) -> None:
    """Store Debian 13 under the name that an ordinary Dockerfile's FROM gives it; again if its recipe has changed."""
    if not buildah.has(_BUILT):
        tar = cache.scratch / "trixie.tar"
        environment = {**os.environ, "TMPDIR": str(cache.scratch)}
        run_enclosed((*_RECIPE, tar), env=environment, log=cache.logs / "mmdebstrap.log")
        buildah.import_tar(tar, _BUILT, "--cmd", "bash")
        tar.unlink()
    buildah.tag(_BUILT, DEBIAN)


def pause_program(cache: Cache) -> Path:
    """Return the path of the static program that waits for ever: first process of pods and of the node."""
    return cache.programs / "pause"


def store_pause(cache: Cache, buildah: Buildah) -> None:
    """Store the pause program as an image."""
    if not buildah.has(PAUSE):
        buildah.import_tar(pause_program(cache), PAUSE, "--entrypoint", '["/pause"]')


def make_pause(cache: Cache) -> None:
    """Compile the pause program."""
    if not pause_program(cache).exists():
        unfinished = cache.scratch / "pause"
        cache.programs.mkdir(parents=True, exist_ok=True)
        run_enclosed(
            ("gcc", "-Os", "-static", "-s", "-o", unfinished, SETTINGS / "pause.c"), log=cache.logs / "pause.log"
        )
        unfinished.rename(pause_program(cache))
