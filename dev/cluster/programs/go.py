"""Programs of the cluster, compiled from Go modules and cached by a hash of all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.cache import Cache
from dev.cluster.commands import output, run_enclosed
from dev.cluster.errors import CannotRunHereError, ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODULES = Path(__file__).parent / "modules"
# Which Kubernetes the node runs: unset for the current one, else the minor version of OLDEST.
VARIABLE = "MEDIAIMPORT_KUBERNETES"


@dataclass(frozen=True)
class Module:
    """Folder with a go.mod of its own (in one graph, one program's requirements would change another's versions)."""

    name: str
    # A package to build under the module's name, where Go would name the program `server`.
    package: str = ""
    # Otherwise all programs of this pattern: the `tool`s of go.mod, or main packages in the folder.
    pattern: str = "tool"
    link_flags: str = "-s -w"
    # Other names of the program `kubernetes`, which does what it is called by.
    links: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Folder of its go.mod."""
        return MODULES / self.name

    def build_arguments(self, folder: str) -> list[str]:
        """Return the command line that builds it into the folder."""
        # No program keeps its symbols for a debugger (-s): without them a fifth of the compiling is spared.
        compiler_flags = ("-gcflags", "all=-dwarf=false")
        command = ["go", "build", "-trimpath", "-mod=readonly", *compiler_flags, "-ldflags", self.link_flags]
        if self.package:
            return [*command, "-o", f"{folder}/{self.name}", self.package]
        return [*command, "-o", f"{folder}/", self.pattern]


def _kubernetes(name: str, version: str) -> Module:
    """Return the module of a version of Kubernetes: one program, with the names of five."""
    _, minor, _ = version.split(".")
    # Without them the API server reports v0.0.0-master, which charts with a kubeVersion refuse.
    stamps = {
        "gitVersion": version,
        "gitMajor": "1",
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "module",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    flags = (f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())
    return Module(
        name,
        pattern="./cmd/...",
        link_flags=" ".join(("-s -w", *flags)),
        links=("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"),
    )


# With etcd and CoreDNS, at versions that need the same of others: Go compiles gRPC, protobuf and client-go once.
KUBERNETES = _kubernetes("kubernetes", "v1.36.4")
# The oldest version that the chart promises; etcd and CoreDNS are those of the current one.
OLDEST_MINOR = "1.33"
OLDEST = _kubernetes("kubernetes-1.33", "v1.33.13")
VERSITYGW = Module("versitygw")
TOXIPROXY = Module("toxiproxy", package="github.com/Shopify/toxiproxy/v2/cmd/server")
KWOK = Module("kwok")
SYFT = Module("syft")
KUEUE = Module("kueue")
RCLONE = Module("rclone")
ACTIONLINT = Module("actionlint")
TEKTON = Module("tekton", package="github.com/tektoncd/pipeline/cmd/controller")

NEEDED: tuple[Module, ...] = (KUBERNETES, VERSITYGW)
ON_REQUEST: tuple[Module, ...] = (TOXIPROXY, KWOK, SYFT, KUEUE, RCLONE, ACTIONLINT, TEKTON)

KEY_LENGTH = 16


def key(module_files: Sequence[bytes], *, go_version: str, arguments: Sequence[str]) -> str:
    """Return a hash of all that a compiled program depends on, 16 characters."""
    digest = hashlib.sha256()
    for part in (*module_files, go_version.encode(), *(argument.encode() for argument in arguments)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:KEY_LENGTH]


def home(module: Module, cache: Cache, *, go_version: str) -> Path:
    """Return the folder that holds, or will hold, the module's programs."""
    files = [path.read_bytes() for path in sorted(module.folder.rglob("*")) if path.is_file()]
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
        env=_environment(cache, os.environ),
        log=cache.logs / f"build-{module.name}.log",
    )
    for link in module.links:
        (unfinished / link).symlink_to("kubernetes")
    finished.parent.mkdir(parents=True, exist_ok=True)
    return unfinished.rename(finished)


def _environment(cache: Cache, environ: Mapping[str, str]) -> dict[str, str]:
    """Return Go's variables: all that it downloads and compiles, also a newer Go, is in the cache folder.

    The compiler's garbage collector takes a fifth of its time; with GOGC=400 it takes less, and linking 2 GB of memory.
    """
    flags = f"{environ.get('GOFLAGS', '')} -modcacherw".strip()  # modules that nobody may write cannot be deleted
    return {
        **environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache.go / "build"),
        "GOFLAGS": flags,
        "GOGC": "400",
        "GOMODCACHE": str(cache.go / "modules"),
        "GOPATH": str(cache.go),
        "GOTMPDIR": str(cache.scratch),  # emptied by the next command
    }


def needed(environ: Mapping[str, str]) -> tuple[Module, ...]:
    """Return the modules of the node that the environment asks for."""
    minor = environ.get(VARIABLE, "")
    if minor not in ("", OLDEST_MINOR):
        raise ClusterError(
            f"there is no Kubernetes {minor} for the node: set {VARIABLE} to {OLDEST_MINOR}, or unset it"
        )
    return (*NEEDED, OLDEST) if minor else NEEDED


def homes(cache: Cache) -> dict[str, Path]:
    """Return the folder of each needed module's programs, compiled or not."""
    version = go_version()
    return {module.name: home(module, cache, go_version=version) for module in needed(os.environ)}


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


def source(module: Module, path: str) -> Path:
    """Return the folder of a Go module at the version that `module` pins: manifests are next to the code."""
    download = ("go", "-C", module.folder, "mod", "download", "-json", path)
    answer = output(download, env=_environment(Cache.of(os.environ), os.environ))
    return Path(json.loads(answer)["Dir"])
