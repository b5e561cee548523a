"""Programs of the cluster from Debian packages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.commands import output, run_to_its_end
from dev.cluster.errors import CannotRunHereError, CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dev.cluster.cache import Cache


# Not among them: kubernetes-client (it conflicts with a kubectl that may be there) and etcd (3.4 lacks the
# RequestWatchProgress that the API server's watch cache asks for).
PACKAGES = (
    "buildah",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "ethtool",
    "ffmpeg",
    "gcc",
    "iproute2",
    "ipset",
    "iptables",
    "libc6-dev",
    "mmdebstrap",
    "nftables",
    "prometheus",
    "runc",
    "socat",
)

POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICES = Path(__file__).parent / "no-services.sh"

# The apt of a killed run may still be running: wait for its lock.
_APT_GET = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-q", "-y")
# Docker's containerd.io, for one, conflicts with Debian's containerd: apt would remove it, and Docker with it.
_INSTALL = (*_APT_GET, "install", "--no-install-recommends", "--no-remove")
_SIMULATE = ("apt-get", "-q", "--simulate", "install", "--no-install-recommends")


def missing(packages: Iterable[str], *, query: str) -> list[str]:
    """Return the packages that dpkg-query's `Package Status` lines do not show as installed."""
    lines = (line.split() for line in query.splitlines())
    installed = {fields[0] for fields in lines if fields[1:] == ["installed"]}
    return [package for package in packages if package not in installed]


def removals(simulation: str) -> list[str]:
    """Return the packages that a simulated apt-get removes."""
    return [line.split()[1] for line in simulation.splitlines() if line.startswith("Remv ")]


def install(cache: Cache, packages: Sequence[str] = PACKAGES, *, policy: Path = POLICY) -> None:
    """Install the packages that are missing; CannotRunHereError if another package would have to go."""
    if not shutil.which("dpkg-query"):
        raise CannotRunHereError(
            f"this is not Debian or Ubuntu, so {', '.join(packages)} cannot be installed here: install them by hand, "
            "and for a cluster set KUBECONFIG to a running one (kind, k3d, …)"
        )
    to_install = missing(packages, query=_query())
    if to_install:
        _Apt(cache, policy).install(to_install)


class _Apt:
    """Debian's package manager, kept from starting services and from removing packages."""

    def __init__(self, cache: Cache, policy: Path) -> None:
        self._log = cache.logs / "debian.log"
        self._policy = policy
        self._lock = cache.root / "apt-lock"
        self._env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}

    def install(self, packages: Sequence[str]) -> None:
        self._run("dpkg", "--configure", "-a")  # what a killed run has left
        try:
            self._install(packages)
        except CommandFailedError:  # no package lists yet, or old ones
            self._run(*_APT_GET, "update")
            self._install(packages)

    def _install(self, packages: Sequence[str]) -> None:
        conflicting = removals(output((*_SIMULATE, *packages), env=self._env))
        if conflicting:
            raise CannotRunHereError(
                f"apt-get would remove {', '.join(conflicting)} to install {', '.join(packages)}, so it has changed "
                "nothing: set KUBECONFIG to another cluster (kind, k3d, …), or remove the conflicting packages first"
            )
        self._run(*_INSTALL, *packages)

    def _run(self, *command: str) -> None:
        """Run a command to its end: a package that is half installed stays so until somebody repairs it."""
        guarded: tuple[str | Path, ...] = ("sh", _NO_SERVICES, self._policy, self._lock, *command)
        run_to_its_end(guarded, env=self._env, log=self._log)


def _query() -> str:
    return output(("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n"))
