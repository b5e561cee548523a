"""`python -m dev.record [FILE]`: record three predictions of the demo on the cluster of `make up` or KUBECONFIG."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from dev.cluster import environment as cluster_environment
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kube, KubeError
from dev.demo import steps
from dev.demo.output import Output
from dev.record.svg import Line, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FILE = Path("docs/recording.svg")
PREDICTIONS = 3
PAUSE_S = 1.0
"""Between two predictions, and after the last one is ready."""


@contextmanager
def watching(command: Sequence[str], variables: Mapping[str, str]) -> Iterator[list[Line]]:
    """Run the command; yield its lines with their times, which grow until the block ends."""
    lines: list[Line] = []
    started = time.monotonic()
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read, args=(process, started, lines))
        reader.start()
        try:
            yield lines
        finally:
            process.terminate()
            reader.join()


def _read(process: subprocess.Popen[str], started: float, lines: list[Line]) -> None:
    assert process.stdout is not None  # noqa: S101 - for mypy
    for text in process.stdout:
        lines.append(Line(time.monotonic() - started, text.rstrip()))  # noqa: PERF401 - seen while it grows


def main(file: Path) -> None:
    """Record into the file."""
    output, environment = Output(sys.stderr), cluster_environment()
    kube = Kube(environment)
    installation = steps.set_up(kube, environment, output).installation
    command = ("kubectl", "--namespace", installation.namespace, "get", "mediaimports", "--watch-only")
    with (
        kube.forward(installation.webhook, 80, namespace=installation.namespace) as url,
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {installation.first_token()}"}) as webhook,
        watching(command, environment) as lines,
    ):
        for _ in range(PREDICTIONS):
            time.sleep(PAUSE_S)
            steps.generate(webhook, output)
        time.sleep(PAUSE_S)
    file.write_text(render(" ".join(command), lines))
    output.step(f"{len(lines)} lines are in {file}")


if __name__ == "__main__":
    try:
        main(Path(*sys.argv[1:2]) if sys.argv[1:] else FILE)
    except (steps.DemoError, KubeError, ClusterError, httpx.HTTPError) as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
