"""A cluster of kind or k3d with the images of this checkout; docker and the tool are found on PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dev.cluster.cache import CHECKOUT
from dev.kind import store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME = "mediaimport"
PROGRAMS = ("docker", "kubectl", "helm")
CONFIGURATION = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [
        {
            "role": "control-plane",
            "extraPortMappings": [
                {"containerPort": store.NODE_PORT, "hostPort": store.NODE_PORT, "listenAddress": "127.0.0.1"}
            ],
        }
    ],
}
BUILDS: Mapping[str, Sequence[str]] = {
    "mediaimport": ("--target", "mediaimport"),
    "mediaimport-ffmpeg": ("--target", "mediaimport-ffmpeg"),
    "mediaimport-dev": ("--file", "dev/Dockerfile", "--build-arg", "MEDIAIMPORT=mediaimport:demo"),
    "mediaimport-postgresql": ("--file", "dev/postgresql/Dockerfile"),
    "mediaimport-s3": ("--file", "dev/kind/Dockerfile"),
}


class KindError(Exception):
    """A command failed, or a program is missing; the text says which, and what to do."""


class Tool(Protocol):
    """A program that makes clusters of containers."""

    @property
    def name(self) -> str:
        """Its name on PATH."""

    @property
    def creation(self) -> str:
        """The command that creates the cluster, without its options."""

    @property
    def removal(self) -> str:
        """The command that removes it."""

    @property
    def import_command(self) -> Sequence[str]:
        """The command that loads images onto the node, without their names."""

    def create(self, kubeconfig: Path) -> None:
        """Create the cluster unless it exists; write its kubeconfig."""


class Kind:
    """kind: a node from the Kubernetes project's own binaries."""

    name = "kind"
    creation = f"kind create cluster --name {NAME}"
    removal = f"kind delete cluster --name {NAME}"
    import_command = ("kind", "load", "docker-image", "--name", NAME)

    def create(self, kubeconfig: Path) -> None:
        """Create the cluster unless it exists; write its kubeconfig."""
        if NAME in run("kind", "get", "clusters").split():
            run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(kubeconfig))
            return
        options = ("--name", NAME, "--kubeconfig", str(kubeconfig), "--config", "-", "--wait", "180s")
        run("kind", "create", "cluster", *options, given=json.dumps(CONFIGURATION))


@dataclass(frozen=True)
class K3d:
    """k3d: a node of K3s, of this image if it is not empty, else of k3d's own choice."""

    image: str = ""
    name = "k3d"
    creation = f"k3d cluster create {NAME}"
    removal = f"k3d cluster delete {NAME}"
    import_command = ("k3d", "image", "import", "--cluster", NAME)

    def create(self, kubeconfig: Path) -> None:
        """Create the cluster unless it exists; write its kubeconfig."""
        clusters = json.loads(run("k3d", "cluster", "list", "--output", "json"))
        if NAME not in {each["name"] for each in clusters}:
            port = f"127.0.0.1:{store.NODE_PORT}:{store.NODE_PORT}@server:0"
            options = ("--port", port, "--kubeconfig-update-default=false", "--wait", "--timeout", "180s")
            run("k3d", "cluster", "create", NAME, *options, *(("--image", self.image) if self.image else ()))
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(run("k3d", "kubeconfig", "get", NAME))


def tool_of(name: str, *, k3s_image: str = "") -> Tool:
    """Return the tool of a name; raise KindError if there is none."""
    match name:
        case "kind":
            return Kind()
        case "k3d":
            return K3d(k3s_image)
    raise KindError(f"CLUSTER={name} is unknown: it is kind or k3d, or empty for a cluster on this machine itself")


def check_programs(tool: Tool) -> None:
    """Raise KindError if a program is missing."""
    missing = [each for each in (tool.name, *PROGRAMS) if shutil.which(each) is None]
    if missing:
        raise KindError(
            f"{', '.join(missing)} must be on PATH; install it, or use `make demo`, which needs none of them"
        )


def images() -> dict[str, str]:
    """Build all images; return their names in the nodes. The tag changes with the content, so that pods do."""
    return {name: _built(name, options) for name, options in BUILDS.items()}


def load(tool: Tool, images: Mapping[str, str]) -> None:
    """Load the images onto the node."""
    run(*tool.import_command, *images.values())


def _built(name: str, options: Sequence[str]) -> str:
    local = f"{name}:demo"
    run("docker", "build", "--tag", local, *options, ".")
    digest = run("docker", "image", "inspect", "--format", "{{.Id}}", local).strip()
    tagged = f"docker.io/library/{name}:{digest.removeprefix('sha256:')[:12]}"
    run("docker", "tag", local, tagged)
    return tagged


def run(*command: str, given: str = "") -> str:
    """Return what the command prints; its error output is the caller's."""
    ran = subprocess.run(command, cwd=CHECKOUT, input=given, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode != 0:
        raise KindError(f"`{' '.join(command)}` failed with exit code {ran.returncode}; its own message is above")
    return ran.stdout
