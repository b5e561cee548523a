"""One node on paper, played by kwok (https://kwok.sigs.k8s.io) for as long as a benchmark runs."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dev.cluster.programs import go

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.cluster.kubectl import Kube

NAME = "mediaimport-paper"
_KEY = "mediaimport.dev/paper"
PLACEMENT: dict[str, Any] = {
    "nodeSelector": {_KEY: "node"},
    # Nobody else's pods may come to a node where nothing really runs.
    "tolerations": [{"key": _KEY, "operator": "Exists"}],
}
"""What brings a pod there."""

_NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": NAME, "labels": {_KEY: "node", "kubernetes.io/hostname": NAME}},
    "spec": {"taints": [{"key": _KEY, "value": "node", "effect": "NoSchedule"}]},
}


@contextmanager
def paper_node(kube: Kube, *, log: IO[str]) -> Iterator[None]:
    """Make the node and play it; take it away at the end."""
    program = go.built("kwok") / "kwok"
    stages = Path(__file__).with_name("stages.yaml")
    command = [
        str(program), "--kubeconfig", kube.variables["KUBECONFIG"], "--config", str(stages),
        "--manage-nodes-with-label-selector", f"{_KEY}=node", "--node-lease-duration-seconds", "40",
        "--server-address", "127.0.0.1:0",
    ]  # fmt: skip
    kube.apply([_NODE])
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            kube.kubectl("wait", f"node/{NAME}", "--for=condition=Ready", "--timeout=60s")
            yield
        finally:
            process.terminate()
            process.wait(10)
            kube.kubectl("delete", "node", NAME, "--ignore-not-found", "--wait=false")
