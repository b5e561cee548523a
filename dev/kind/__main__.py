"""`python -m dev.kind [kind|k3d]`: the demo on a cluster of its own, which keeps running."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from dev.cluster.cache import CHECKOUT
from dev.cluster.errors import ClusterError
from dev.cluster.exports import IMAGE_VARIABLES
from dev.cluster.kubectl import Kube, KubeError
from dev.demo import __main__ as demo
from dev.demo.output import Output
from dev.demo.steps import DemoError
from dev.kind import cluster, store
from dev.kind.cluster import KindError
from tests.support.loopback.seaweed import make_bucket
from tests.support.loopback.store import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dev.kind.cluster import Tool

FOLDER = CHECKOUT / "build" / "kind"


def prepared(
    tool: Tool, output: Output, path: str, folder: Path = FOLDER, *, make: Callable[[Mapping[str, str]], None]
) -> dict[str, str]:
    """Build, load and deploy; return the variables of the demo. `make` makes the bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    kubeconfig, authority = folder / "kubeconfig", folder / "ca.crt"
    cluster.check_programs(tool)
    output.step("docker build: five images")
    images = cluster.images()
    output.step(tool.creation)
    tool.create(kubeconfig)
    output.step(" ".join(tool.import_command))
    cluster.load(tool, images)
    output.step(f"starting SeaweedFS in the namespace {store.NAMESPACE}")
    environment = {"KUBECONFIG": str(kubeconfig), "PATH": path} | store.variables(authority)
    store.deploy(Kube(environment), image=images["mediaimport-s3"], authority=authority)
    make(environment)
    return environment | {variable: images[name] for name, variable in IMAGE_VARIABLES.items()}


def _make_bucket(environment: Mapping[str, str]) -> None:
    make_bucket(client_of(environment), Path(os.devnull))


def main(name: str = "kind") -> int:
    """Run the demo on a cluster of this tool; return the exit status."""
    tool = cluster.tool_of(name, k3s_image=os.environ.get("K3S_IMAGE", ""))
    environment = prepared(tool, Output(sys.stdout), os.environ["PATH"], make=_make_bucket)
    shell = f"export KUBECONFIG={environment['KUBECONFIG']}"
    return demo.main(environment, values=store.values(), shell=shell, ends=tool.removal)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:2]))
    except (KindError, DemoError, KubeError, ClusterError, httpx.HTTPError) as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
