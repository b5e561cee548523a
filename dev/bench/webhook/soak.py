"""`make soak`: minutes of steady load on one webhook process, whose memory and file descriptors must stay flat.

On the cluster's API server, or on one in memory where no cluster runs. SOAK_MINUTES sets how long, SOAK_GROWTH_MB and
SOAK_GROWTH_FDS by how much the last minute may exceed the first.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import dev.cluster
from dev.bench.figures import Bar, Figure, Sheet, report
from dev.bench.webhook.soak_load import ERROR, Load, session
from dev.cluster.errors import ClusterError
from dev.cluster.kubectl import Kube, KubeError
from tests.support.finishing_operator import finishing_operator
from tests.support.replicate.settings import WEBHOOK_SECRET
from tests.support.webhook_process import TOKEN, WebhookProcess, running_webhook
from tests.support.webhook_surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMESPACE = "mediaimport-soak"
MINUTES = int(os.environ.get("SOAK_MINUTES", "10"))
MAX_GROWTH_MB = float(os.environ.get("SOAK_GROWTH_MB", "16"))
MAX_GROWTH_FDS = float(os.environ.get("SOAK_GROWTH_FDS", "16"))
MINUTE_S = 60.0
WARM_UP_S = 20.0
"""Until assets are deleted as fast as they are made."""
SAMPLE_S = 1.0
_HEADINGS = ("minute", "requests", "2xx", "4xx", "5xx", "none", "MB", "max MB", "fds", "max fds", "CPU %")


@dataclass(frozen=True)
class Sample:
    """Memory and file descriptors of the process at one moment."""

    memory_mb: float
    descriptors: int


@dataclass(frozen=True)
class Minute:
    """One row of the table."""

    samples: Sequence[Sample]
    by_class: Counter[str]
    """Answers as `2xx`, `4xx`, `5xx`, and `none` for a request without one."""
    cpu_percent: float

    @property
    def memory_mb(self) -> float:
        """Return the mean."""
        return fmean(each.memory_mb for each in self.samples)

    @property
    def descriptors(self) -> float:
        """Return the mean."""
        return fmean(each.descriptors for each in self.samples)

    def cells(self, number: int) -> tuple[str, ...]:
        """Return the row of the table."""
        counts = [self.by_class[each] for each in ("2xx", "4xx", "5xx", "none")]
        most_mb = max(each.memory_mb for each in self.samples)
        most_descriptors = max(each.descriptors for each in self.samples)
        return (
            *(str(each) for each in (number, sum(counts), *counts)),
            *(f"{each:.1f}" for each in (self.memory_mb, most_mb, self.descriptors)),
            str(most_descriptors),
            f"{self.cpu_percent:.0f}",
        )


def status_class(status: int) -> str:
    """Return `2xx` for 200."""
    return "none" if status == ERROR else f"{status // 100}xx"


def by_class(answers: Counter[tuple[str, int]]) -> Counter[str]:
    """Return the numbers of answers by the class of their status."""
    counts = Counter[str]()
    for (_, status), count in answers.items():
        counts[status_class(status)] += count
    return counts


def figures(minutes: Sequence[Minute], answers: Counter[tuple[str, int]], *, where: str) -> list[Figure]:
    """Return the figures with their bars."""
    first, last, counts = minutes[0], minutes[-1], by_class(answers)
    return [
        Figure(f"requests, {where}", sum(counts.values()), ""),
        Figure("answers 5xx", counts["5xx"], "", None, Bar(0)),
        Figure("requests without an answer", counts["none"], "", None, Bar(0)),
        Figure("memory, first minute", first.memory_mb, "MB"),
        Figure("memory, last minute", last.memory_mb, "MB"),
        Figure("growth of memory", last.memory_mb - first.memory_mb, "MB", None, Bar(MAX_GROWTH_MB)),
        Figure("file descriptors, first minute", first.descriptors, ""),
        Figure("file descriptors, last minute", last.descriptors, ""),
        Figure("growth of file descriptors", last.descriptors - first.descriptors, "", None, Bar(MAX_GROWTH_FDS)),
    ]


def _line(cells: Sequence[str]) -> str:
    return "  ".join(f"{each:>8}" for each in cells)


async def _minute(webhook: WebhookProcess, load: Load, *, minute_s: float, sample_s: float) -> Minute:
    before, cpu_s, started = load.answers.copy(), webhook.cpu_s, time.monotonic()
    samples = []
    while time.monotonic() - started < minute_s:
        await asyncio.sleep(sample_s)
        samples.append(Sample(webhook.memory_mb, webhook.descriptors))
    spent = (webhook.cpu_s - cpu_s) / (time.monotonic() - started)
    return Minute(samples, by_class(load.answers - before), spent * 100)


async def soak(
    webhook: WebhookProcess,
    *,
    minutes: int,
    minute_s: float = MINUTE_S,
    warm_up_s: float = WARM_UP_S,
    sample_s: float = SAMPLE_S,
) -> tuple[list[Minute], Counter[tuple[str, int]]]:
    """Load the webhook, print a row a minute; return the rows and all answers."""
    print(_line(_HEADINGS), flush=True)
    rows = []
    async with session() as clients:
        load = Load(webhook.url, TOKEN, clients)
        sending = asyncio.create_task(load.run())
        await asyncio.sleep(warm_up_s)
        for number in range(1, minutes + 1):
            rows.append(await _minute(webhook, load, minute_s=minute_s, sample_s=sample_s))
            print(_line(rows[-1].cells(number)), flush=True)
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    return rows, load.answers


@contextmanager
def on_cluster(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give the variables of a webhook in a new namespace, whose operator finishes all imports at once."""
    kube = Kube(environment)
    kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    variables = {name: value for name, value in environment.items() if name.startswith("S3_")}
    variables |= {"KUBECONFIG": environment["KUBECONFIG"], "NAMESPACE": NAMESPACE, "S3_ADDRESSING_STYLE": "path"}
    with finishing_operator(NAMESPACE):
        yield variables | {"REPLICATE_WEBHOOK_SECRETS": WEBHOOK_SECRET}
        # The operator lets go of what is deleted, so that the namespace can end.
        kube.kubectl("delete", "namespace", NAMESPACE, "--wait")


def running_cluster() -> dict[str, str] | None:
    """Return the cluster's variables; None where none answers."""
    try:
        environment = dev.cluster.environment()
        Kube(environment).kubectl("get", "--raw", "/readyz")
    except (ClusterError, KubeError):
        return None
    return environment


@contextmanager
def surroundings(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the name of the API server, and the variables that lead a webhook to it."""
    environment = running_cluster()
    if environment is None:
        with Surroundings(folder).running() as around:
            yield "API server in memory", around.variables
    else:
        with on_cluster(environment) as variables:
            yield "cluster", variables


def print_answers(answers: Counter[tuple[str, int]]) -> None:
    """Print the answers of each kind of request."""
    print("\nanswers")
    for (kind, status), count in sorted(answers.items()):
        print(f"{kind:>10}  {status or 'none':>6}  {count:>8}")
    print(flush=True)


def main() -> Sheet:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as path, surroundings(Path(path)) as (where, variables):
        print(f"{MINUTES} minutes on: {where}", flush=True)
        with running_webhook(Path(path), variables | {"LOG_LEVEL": "warning"}) as webhook:
            minutes, answers = asyncio.run(soak(webhook, minutes=MINUTES))
    print_answers(answers)
    return report("soak", figures(minutes, answers, where=where), form={"minutes": MINUTES})
