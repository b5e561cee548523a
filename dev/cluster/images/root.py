"""The root file system of an image as a folder, to run programs in what is shipped."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.cache import Cache
    from dev.cluster.images.buildah import Buildah

KEPT = 2
"""Older folders that stay next to a new one, half a gigabyte each: another checkout may be using one."""
_UNPACK = """set -e
container=$(buildah from --pull-never "$1")
trap 'buildah rm "$container"' EXIT
cp -a "$(buildah mount "$container")" "$2"
"""


def unpacked(cache: Cache, buildah: Buildah, image: str) -> Path:
    """Return the folder of an image that this machine has built, written once. The caller holds the lock."""
    folder = cache.root / "roots" / image.rpartition("/")[2].replace(":", "-")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.parent.iterdir(), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old)
        unfinished = folder.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        buildah.script(_UNPACK, image, str(unfinished))
        unfinished.rename(folder)
        # `cp -a` has given it the image's time.
        folder.touch()
    return folder
