"""The cache folder: it is outside the checkout, so that a fresh clone finds what another one built."""

from __future__ import annotations

import fcntl
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cache:
    """Folders and files of the one cluster that a machine has."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Cache:
        """Return the folder below ${XDG_CACHE_HOME:-~/.cache}."""
        base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/root"), ".cache")
        return cls(Path(base).resolve() / "mediaimport")

    @property
    def lock(self) -> Path:
        """Lock file of the one command that changes the cluster."""
        return self.root / "lock"

    @property
    def scratch(self) -> Path:
        """Unfinished files; `locked` empties it."""
        return self.root / "scratch"

    @property
    def logs(self) -> Path:
        """Logs of compilers and image builds."""
        return self.root / "logs"

    @property
    def programs(self) -> Path:
        """Compiled programs: a folder for each Go module and key."""
        return self.root / "programs"

    @property
    def go(self) -> Path:
        """Modules that Go has downloaded, and what it has compiled of them."""
        return self.root / "go"

    @property
    def bin(self) -> Path:
        """Links to kubectl and helm, for PATH."""
        return self.root / "bin"

    @property
    def buildah(self) -> Path:
        """Images and settings of buildah."""
        return self.root / "buildah"

    @property
    def registry(self) -> Path:
        """The image registry's data."""
        return self.root / "registry"

    @property
    def repositories(self) -> Path:
        """A folder of the registry for each image."""
        return self.registry / "docker/registry/v2/repositories"

    @property
    def node(self) -> Path:
        """Files of the running node."""
        return self.root / "node"

    @property
    def pki(self) -> Path:
        """Keys, certificates and kubeconfigs; they outlive the node, so that a shell's KUBECONFIG stays good."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.pki / "admin.kubeconfig"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the machine's lock, with an empty scratch folder; wait for another command that has it.

        The kernel releases it when the process ends, however it ends.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("waiting for another command that is changing the cluster", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir()
            yield
