"""Fake node by kwok (https://kwok.sigs.k8s.io) while a benchmark runs."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dev.cluster.programs import go

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dev.cluster.kubectl import Kube

NAME = "mediaimport-fake"
_KEY = "mediaimport.dev/fake"
PLACEMENT: dict[str, Any] = {
    "nodeSelector": {_KEY: "node"},
    # No other pod may be scheduled to a node that runs nothing.
    "tolerations": [{"key": _KEY, "operator": "Exists"}],
}
"""Placement of a pod on the fake node."""

_NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": NAME, "labels": {_KEY: "node", "kubernetes.io/hostname": NAME}},
    "spec": {"taints": [{"key": _KEY, "value": "node", "effect": "NoSchedule"}]},
}


@contextmanager
def fake_node(kube: Kube, *, log: IO[str], more_stages: Sequence[Path] = ()) -> Iterator[None]:
    """Create the node and simulate it; delete it at the end. `more_stages`: files for pods that no Job owns."""
    program = go.built("kwok") / "kwok"
    files = (Path(__file__).with_name("stages.yaml"), *more_stages)
    command = [
        *("setpriv", "--pdeathsig", "KILL"),  # two of them would disturb each other
        str(program), "--kubeconfig", kube.variables["KUBECONFIG"], *(f"--config={file}" for file in files),
        "--manage-nodes-with-label-selector", f"{_KEY}=node", "--node-lease-duration-seconds", "40",
        "--server-address", "127.0.0.1:0",
    ]  # fmt: skip
    # A killed run leaves a lease, for whose end kwok would wait.
    kube.kubectl("delete", "lease", NAME, "--ignore-not-found", namespace="kube-node-lease")
    kube.apply([_NODE])
    with subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            kube.kubectl("wait", f"node/{NAME}", "--for=condition=Ready", "--timeout=60s")
            yield
        finally:
            process.terminate()
            process.wait(10)
            kube.kubectl("delete", "node", NAME, "--ignore-not-found", "--wait=false")
