"""Fixture of the operator's benchmarks: the real API server, and operators of this checkout as processes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import dev.cluster
from dev.bench.definition import define_imports
from dev.bench.figures import FOLDER
from dev.bench.operator.operator_process import OperatorProcess
from dev.cluster.kubectl import Kube

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Fixture:
    """A cluster, the operator's limit of running imports, and the log of the programs."""

    kube: Kube
    environment: Mapping[str, str]
    cap: int
    log: IO[str]

    def operator(self, namespace: str) -> OperatorProcess:
        """Start an operator."""
        return OperatorProcess.start(self.environment, namespace=namespace, cap=self.cap, log=self.log)


@contextmanager
def prepared(name: str, *, cap: int) -> Iterator[Fixture]:
    """Point all clients at the cluster; log into build/bench/NAME.log."""
    environment = dev.cluster.environment()
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    kube = Kube(environment)
    define_imports(kube)
    with (FOLDER / f"{name}.log").open("w") as log:
        yield Fixture(kube, environment, cap, log)
