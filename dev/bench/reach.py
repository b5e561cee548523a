"""Ways from this machine to a release on the cluster, for benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from contextlib import ExitStack

    from dev.cluster.kubectl import Kube

_TIMEOUT_S = 30


def reached(stack: ExitStack, kube: Kube, target: str, port: int, *, namespace: str, **headers: str) -> httpx.Client:
    """Return a client of a Service (`service/NAME`) or a pod, open until the stack ends."""
    url = stack.enter_context(kube.forward(target, port, namespace=namespace))
    return stack.enter_context(httpx.Client(base_url=url, timeout=_TIMEOUT_S, headers=headers))
