"""The two images that no registry here has: Debian, and the container that holds a pod together."""

import hashlib
import os
from pathlib import Path

from dev.cluster.cache import Cache
from dev.cluster.commands import run_enclosed
from dev.cluster.images.buildah import SETTINGS, Buildah

DEBIAN = "docker.io/library/debian:trixie-slim"
PAUSE = "localhost/pause:1"
# What the published image of that name leaves out, of its own packages and of those that are installed on it.
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
_MADE = f"localhost/debian:{hashlib.sha256(repr(_RECIPE).encode()).hexdigest()[:16]}"


def store_debian(cache: Cache, buildah: Buildah) -> None:
    """Store Debian 13 under the name that an ordinary Dockerfile's FROM gives it; anew if its recipe has changed."""
    if not buildah.has(_MADE):
        tar = cache.scratch / "trixie.tar"
        environment = {**os.environ, "TMPDIR": str(cache.scratch)}
        run_enclosed((*_RECIPE, tar), env=environment, log=cache.logs / "mmdebstrap.log")
        buildah.import_tar(tar, _MADE, "--cmd", "bash")
        tar.unlink()
    buildah.tag(_MADE, DEBIAN)


def pause_program(cache: Cache) -> Path:
    """Return where the static program is that waits for ever: a pod's first process, and the node's."""
    return cache.programs / "pause"


def store_pause(cache: Cache, buildah: Buildah) -> None:
    """Store it as an image."""
    if not buildah.has(PAUSE):
        buildah.import_tar(pause_program(cache), PAUSE, "--entrypoint", '["/pause"]')


def make_pause(cache: Cache) -> None:
    """Compile it."""
    if not pause_program(cache).exists():
        unfinished = cache.scratch / "pause"
        cache.programs.mkdir(parents=True, exist_ok=True)
        run_enclosed(
            ("gcc", "-Os", "-static", "-s", "-o", unfinished, SETTINGS / "pause.c"), log=cache.logs / "pause.log"
        )
        unfinished.rename(pause_program(cache))
