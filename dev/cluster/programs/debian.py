"""Programs of the cluster from Debian packages."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dev.cluster.commands import output, run
from dev.cluster.errors import CannotRunHereError, CommandFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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

# The apt of a killed run may still be running: wait for its lock.
_APT_GET = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-q", "-y")


def missing(packages: Iterable[str], *, query: str) -> list[str]:
    """Return the packages that dpkg-query's `Package Status` lines do not show as installed."""
    lines = (line.split() for line in query.splitlines())
    installed = {fields[0] for fields in lines if fields[1:] == ["installed"]}
    return [package for package in packages if package not in installed]


def install(cache: Cache, packages: Sequence[str] = PACKAGES) -> None:
    """Install the packages that are missing."""
    if not shutil.which("dpkg-query"):
        raise CannotRunHereError(
            f"this is not Debian or Ubuntu, so {', '.join(packages)} cannot be installed here: install them by hand, "
            "and for a cluster set KUBECONFIG to a running one (kind, k3d, …)"
        )
    to_install = missing(packages, query=_query())
    if not to_install:
        return
    log = cache.logs / "debian.log"
    # Not enclosed: dpkg must not be killed with this process.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install_command = (*_APT_GET, "install", "--no-install-recommends", *to_install)
    with no_service_started():
        run(("dpkg", "--configure", "-a"), env=env, log=log)
        try:
            run(install_command, env=env, log=log)
        except CommandFailedError:  # no package lists yet, or old ones
            run((*_APT_GET, "update"), env=env, log=log)
            run(install_command, env=env, log=log)


@contextmanager
def no_service_started(policy: Path = POLICY) -> Iterator[None]:
    """Keep packages from starting their services (Prometheus, containerd, a registry) on this machine.

    https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt. A policy of the machine stays.
    """
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def _query() -> str:
    return output(("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n"))
