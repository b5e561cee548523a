"""A kind cluster with the images of this checkout; docker and kind are found on PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

from dev.cluster.cache import CHECKOUT
from dev.kind import store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME = "mediaimport"
PROGRAMS = ("docker", "kind", "kubectl", "helm")
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
    "mediaimport-s3": ("--file", "dev/kind/Dockerfile"),
}


class KindError(Exception):
    """A command failed, or a program is missing; the text says which, and what to do."""


def check_programs() -> None:
    """Raise KindError if a program is missing."""
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    if missing:
        raise KindError(
            f"{', '.join(missing)} must be on PATH; install it, or use `make demo`, which needs none of them"
        )


def images() -> dict[str, str]:
    """Build all images; return their names in the nodes. The tag changes with the content, so that pods do."""
    return {name: _built(name, options) for name, options in BUILDS.items()}


def create(kubeconfig: Path) -> None:
    """Create the cluster unless it exists; write its kubeconfig."""
    if NAME in run("kind", "get", "clusters").split():
        run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(kubeconfig))
        return
    options = ("--name", NAME, "--kubeconfig", str(kubeconfig), "--config", "-", "--wait", "180s")
    run("kind", "create", "cluster", *options, given=json.dumps(CONFIGURATION))


def load(images: Mapping[str, str]) -> None:
    """Load the images onto the node."""
    run("kind", "load", "docker-image", "--name", NAME, *images.values())


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
