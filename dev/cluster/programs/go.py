"""Programs of the cluster, compiled from Go modules and cached by a hash of all that they depend on."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.cache import Cache
from dev.cluster.commands import output, run_enclosed
from dev.cluster.errors import CannotRunHereError

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULES = Path(__file__).parent / "modules"
KUBERNETES_VERSION = "v1.36.4"

# Without them the API server reports v0.0.0-master, which charts with a kubeVersion refuse.
_STAMPS = {
    "gitVersion": KUBERNETES_VERSION,
    "gitMajor": "1",
    "gitMinor": "36",
    "gitTreeState": "clean",
    "gitCommit": "module",
    "buildDate": "1970-01-01T00:00:00Z",
}


@dataclass(frozen=True)
class Module:
    """Folder with a go.mod of its own (in one graph, one program's requirements would change another's versions)."""

    name: str
    # The package to build under a chosen name, where Go would name the program `v3` or `server`, or where its main
    # package is the folder's own; else all `tool`s.
    package: str = ""
    link_flags: str = "-s -w"

    @property
    def folder(self) -> Path:
        """Folder of its go.mod."""
        return MODULES / self.name

    def build_arguments(self, folder: str) -> list[str]:
        """Return the command line that builds it into the folder."""
        command = ["go", "build", "-trimpath", "-mod=readonly", "-ldflags", self.link_flags]
        if self.package:
            return [*command, "-o", f"{folder}/{self.name}", self.package]
        return [*command, "-o", f"{folder}/", "tool"]


_STAMP_FLAGS = (f"-X k8s.io/component-base/version.{name}={value}" for name, value in _STAMPS.items())
KUBERNETES = Module("kubernetes", link_flags=" ".join(("-s -w", *_STAMP_FLAGS)))
ETCD = Module("etcd", package="go.etcd.io/etcd/server/v3")
COREDNS = Module("coredns", package=".")
VERSITYGW = Module("versitygw")
TOXIPROXY = Module("toxiproxy", package="github.com/Shopify/toxiproxy/v2/cmd/server")
KWOK = Module("kwok")
SYFT = Module("syft")
KUEUE = Module("kueue")
RCLONE = Module("rclone")

NEEDED: tuple[Module, ...] = (KUBERNETES, ETCD, VERSITYGW, COREDNS)
ON_REQUEST: tuple[Module, ...] = (TOXIPROXY, KWOK, SYFT, KUEUE, RCLONE)

KEY_LENGTH = 16


def key(module_files: Sequence[bytes], *, go_version: str, arguments: Sequence[str]) -> str:
    """Return a hash of all that a compiled program depends on, 16 characters."""
    digest = hashlib.sha256()
    for part in (*module_files, go_version.encode(), *(argument.encode() for argument in arguments)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:KEY_LENGTH]


def home(module: Module, cache: Cache, *, go_version: str) -> Path:
    """Return the folder that holds, or will hold, the module's programs."""
    files = [path.read_bytes() for path in sorted(module.folder.iterdir())]
    arguments = module.build_arguments("")
    return cache.programs / f"{module.name}-{key(files, go_version=go_version, arguments=arguments)}"


def go_version() -> str:
    """Return Go's version; raise if it is missing."""
    if not shutil.which("go"):
        raise CannotRunHereError(
            "Go is not on PATH, and the cluster's programs are compiled with it: install Go 1.26 (or any from 1.21 on, "
            "which fetches the newer one by itself), or set KUBECONFIG to a cluster that is there already."
        )
    return output(["go", "env", "GOVERSION", "GOARCH"])


def build(module: Module, cache: Cache, *, go_version: str) -> Path:
    """Return the folder with the module's programs, compiled unless they are cached."""
    finished = home(module, cache, go_version=go_version)
    if finished.exists():
        os.utime(finished)
        return finished
    unfinished = cache.scratch / finished.name
    unfinished.mkdir(parents=True)
    run_enclosed(
        module.build_arguments(str(unfinished)),
        cwd=module.folder,
        # Unfinished files are removed with the scratch folder.
        env={**os.environ, "CGO_ENABLED": "0", "GOTMPDIR": str(cache.scratch)},
        log=cache.logs / f"build-{module.name}.log",
    )
    finished.parent.mkdir(parents=True, exist_ok=True)
    return unfinished.rename(finished)


def homes(cache: Cache) -> dict[str, Path]:
    """Return the folder of each needed module's programs, compiled or not."""
    version = go_version()
    return {module.name: home(module, cache, go_version=version) for module in NEEDED}


def built(name: str) -> Path:
    """Return the folder of one module's programs, compiled unless they are cached; needs no cluster."""
    (module,) = (module for module in (*NEEDED, *ON_REQUEST) if module.name == name)
    cache, version = Cache.of(os.environ), go_version()
    finished = home(module, cache, go_version=version)
    if finished.exists():
        os.utime(finished)
        return finished
    with cache.locked():  # another holder would empty the scratch folder
        return build(module, cache, go_version=version)
