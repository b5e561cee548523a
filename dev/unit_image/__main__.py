"""`python -m dev.unit_image [pytest's arguments]`: run the tests of importer and prober in the prober image's root.

The programs, Python, ffmpeg and every library are the image's; the tests and pytest come from outside. Needs root, and
a machine on which `make up` has run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.commands import output
from dev.cluster.errors import ClusterError
from dev.cluster.images import base, project
from dev.cluster.images.buildah import Buildah
from dev.cluster.images.root import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE = "mediaimport-ffmpeg"
_PYTHON = "3.13"
_DEPENDENCIES = "/opt/test-dependencies"
_MOUNT = """set -e
root=$1; shift
for each in proc dev sys; do mount --rbind /$each "$root/$each"; done
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; touch "$root$2"; fi
  mount --bind "$1" "$root$2"
  shift 2
done
shift
exec chroot "$root" "$@"
"""
# Behind everything else: what the image has is the image's.
_PYTEST = f"import sys; sys.path.append({_DEPENDENCIES!r}); import pytest; sys.exit(pytest.main(sys.argv[1:]))"


def dependencies(cache: Cache) -> Path:
    """Return a folder with what tests need, for the image's Python."""
    lock = CHECKOUT / "requirements" / "dev.txt"
    folder = cache.root / "test-dependencies" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        unfinished = folder.with_name("unfinished")
        uv = (Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--target", unfinished)
        wheels = ("--python-version", _PYTHON, "--only-binary", ":all:", "--require-hashes", "--requirement", lock)
        subprocess.run((*uv, *wheels), check=True)
        unfinished.rename(folder)
    return folder


def go_root() -> Path:
    """Return the folder of Go: its version is part of the name of the S3 server's program."""
    return Path(output(("go", "env", "GOROOT")))


def mounts(cache: Cache) -> dict[Path, str]:
    """Return what the root needs from outside: tests, their dependencies, and the S3 servers that they start."""
    weed = Path(sys.executable).parent / "weed"
    return {each: str(each) for each in (CHECKOUT, cache.root, go_root())} | {
        dependencies(cache): _DEPENDENCIES,
        Path("/etc/hosts"): "/etc/hosts",
        weed: "/opt/mediaimport/bin/weed",
    }


def run(root: Path, outside: Mapping[Path, str], arguments: list[str]) -> int:
    """Run pytest in the root; its mounts end with it. Return its exit code."""
    environment = {
        "PATH": f"/opt/mediaimport/bin:/usr/bin:/bin:{go_root()}/bin",
        "HOME": os.environ.get("HOME", "/root"),
        "XDG_CACHE_HOME": str(Cache.of(os.environ).root.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(CHECKOUT),
    }
    pytest = ("python", "-c", _PYTEST, "-q", "-p", "no:cacheprovider", "--rootdir", str(CHECKOUT), *arguments)
    bound = [str(each) for pair in outside.items() for each in pair]
    enclosed = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT, "sh", str(root), *bound, "--")
    variables = [f"{name}={value}" for name, value in environment.items()]
    chrooted = ("env", "-i", "-C", str(CHECKOUT), *variables, *pytest)
    return subprocess.run((*enclosed, *chrooted), check=False).returncode


def main(arguments: list[str]) -> int:
    """Return pytest's exit code."""
    cache = Cache.of(os.environ)
    with cache.locked():
        buildah = Buildah.at(cache)
        base.store_debian(cache, buildah)
        image = project.built(IMAGE, project.Context.copy(CHECKOUT, cache.scratch / "context"), buildah)
        root, outside = unpacked(cache, buildah, image), mounts(cache)
    return run(root, outside, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ClusterError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
