"""The operator as a process of this machine, for benchmarks that start, stop and measure it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from dev.bench import longest_turn
from dev.bench.operator import process_usage
from tests.support.kwok.node import PLACEMENT
from tests.support.loopback.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S = 60.0


def job_variables(namespace: str) -> dict[str, str]:
    """Return the settings for Jobs whose pods run on the fake node."""
    return {
        "OPERATOR_NAMESPACE": namespace,
        "INSTANCE": namespace,
        "IMPORTER_IMAGE": "fake",
        "PROBER_IMAGE": "fake",
        "IMPORTER_PLACEMENT": json.dumps(PLACEMENT),
        "S3_BUCKET_NAME": "scale",
    }


@dataclass(frozen=True)
class OperatorProcess:
    """A running operator."""

    process: subprocess.Popen[str]
    metrics_port: int
    started_s: float
    longest_turn: Path

    @classmethod
    def start(
        cls, variables: Mapping[str, str], *, namespace: str, cap: int, log: IO[str], pod_uid: str | None = None
    ) -> OperatorProcess:
        """Start an operator that watches the namespace; one with the pod of another takes over its Lease at once."""
        port = free_port()
        turn = Path(gettempdir()) / f"mediaimport-bench-{port}-longest-turn"
        own = job_variables(namespace) | {
            "POD_NAME": "bench",
            "POD_UID": pod_uid or f"bench-{port}",
            "MAX_IN_FLIGHT": str(cap),
            "PROBE_PORT": str(free_port()),
            "METRICS_PORT": str(port),
            "LOG_LEVEL": "WARNING",
            longest_turn.VARIABLE: str(turn),
        }
        started_s = time.monotonic()
        command = [sys.executable, "-m", "dev.bench.operator.timed_operator"]
        process = subprocess.Popen(command, env=os.environ | variables | own, stderr=log, text=True)
        return cls(process, port, started_s, turn)

    def figure(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with the labels; 0 while the operator does not answer."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the operator ended with {self.process.returncode}")
        total = 0.0
        for sample_name, sample_labels, value in self._samples():
            if sample_name == f"mediaimport_operator_{name}" and labels.items() <= sample_labels.items():
                total += value
        return total

    def await_figure(self, name: str, least: float, *, timeout_s: float, **labels: str) -> float:
        """Return the seconds from the operator's start until a metric reached a value."""
        deadline = time.monotonic() + timeout_s
        while self.figure(name, **labels) < least:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is {self.figure(name, **labels)}, not {least}, after {timeout_s} s")
            time.sleep(0.1)
        return time.monotonic() - self.started_s

    @property
    def cpu_s(self) -> float:
        """Return the processor time that it has used."""
        return process_usage.cpu_s(self._folder)

    @property
    def longest_turn_ms(self) -> float:
        """Return the most processor time that a turn of its event loop took, and nobody else had it."""
        return longest_turn.longest_ms(self.longest_turn)

    @property
    def peak_mb(self) -> float:
        """Return the most memory that it has had."""
        return process_usage.peak_mb(self._folder)

    @property
    def _folder(self) -> Path:
        return Path(f"/proc/{self.process.pid}")

    def kill(self) -> None:
        """End the operator as a crash does: it gives nothing back, its Lease least of all."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Terminate the operator; kill it after a timeout."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _samples(self) -> list[tuple[str, dict[str, str], float]]:
        try:
            with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except (URLError, OSError):
            return []
        families = text_string_to_metric_families(text)
        return [(each.name, each.labels, each.value) for family in families for each in family.samples]
