"""`make bench-burst`: 1,000 signed webhooks at once; again with the API server cut off for 10 s in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import yaml
from mediaimport_api import names
from mediaimport_runtime.kubernetes.client import connect
from mediaimport_webhook.cluster import KubernetesCluster
from mediaimport_webhook.http.schemas import ImportRequest
from mediaimport_webhook.imports.manifest import requested_manifest

import dev.cluster
from dev.bench.definition import define_imports
from dev.bench.figures import Bar, Figure, Sheet, percentile, report
from dev.cluster.kubectl import Kube, Object
from tests.support.loopback.bandwidth import Toxiproxy, running_toxiproxy, toxiproxy
from tests.support.replicate.callbacks import callback
from tests.support.replicate.prediction import new_id
from tests.support.replicate.settings import WEBHOOK_SECRET
from tests.support.webhook_process import WebhookProcess, running_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMESPACE = "mediaimport-burst"
CALLBACKS = int(os.environ.get("BURST_CALLBACKS", "1000"))
CONNECTIONS = 64
AT_ONCE, ALONE = 8, 300
CUT_S = 10.0
RETRY_AFTER_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""About as Replicate does: the last retry comes a minute after the first try."""


@dataclass(frozen=True)
class Cut:
    """Proxy to the API server, which can be closed."""

    proxies: Toxiproxy
    port: int

    def set_open(self, *, is_open: bool) -> None:
        """Close or open it; closing breaks its connections."""
        self.proxies.set_enabled(port=self.port, enabled=is_open)


@dataclass(frozen=True)
class Burst:
    """Result of sending a burst."""

    accepted_s: list[float]
    """Time of each callback from its first try until it was accepted, with the refused tries and the waits."""
    retries: int
    duration_s: float

    def figures(self, name: str, *, limit_s: float | None = None) -> list[Figure]:
        """Return the same rows for each burst; `limit_s` is the API server's own time, and twice that the bar."""
        bar = None if limit_s is None else Bar(2 * limit_s)
        return [
            Figure(
                f"{name}: first try to accepted, p50", percentile(self.accepted_s, 50), "s", limit_s and limit_s / 2
            ),
            Figure(f"{name}: first try to accepted, p99", percentile(self.accepted_s, 99), "s", limit_s, bar),
            Figure(f"{name}: retries", self.retries, ""),
            Figure(f"{name}: until all were accepted", self.duration_s, "s", limit_s),
        ]


def kubeconfig(folder: Path, original: Path, *, port: int) -> Path:
    """Write a kubeconfig that leads through the proxy and verifies the server by its own name."""
    content: Object = yaml.safe_load(original.read_text())
    for each in content["clusters"]:
        each["cluster"]["tls-server-name"] = urlsplit(each["cluster"]["server"]).hostname
        each["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


async def send(
    session: aiohttp.ClientSession, url: str, prediction: str, *, waits_s: Sequence[float] = RETRY_AFTER_S
) -> tuple[float, int]:
    """Send a callback until it is accepted; return the seconds since the first try and the number of retries."""
    start = time.monotonic()
    for retries, wait_s in enumerate((*waits_s, None)):
        body, headers = callback(prediction)
        with suppress(aiohttp.ClientError):
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                if answer.ok:
                    return time.monotonic() - start, retries
        if wait_s is None:
            break
        await asyncio.sleep(wait_s)
    raise TimeoutError(f"{prediction} was never accepted")


async def burst(webhook: WebhookProcess, predictions: list[str], *, connections: int, cut: Cut | None = None) -> Burst:
    """Send all callbacks; cut the API server off meanwhile if `cut` is given."""
    url = f"{webhook.url}/api/v1/replicate/webhook"
    start = time.monotonic()
    limits = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=limits, timeout=aiohttp.ClientTimeout(total=60)) as session:
        free = asyncio.Semaphore(connections)

        async def one(prediction: str) -> tuple[float, int]:
            async with free:
                return await send(session, url, prediction)

        sending = [asyncio.create_task(one(each)) for each in predictions]
        if cut is not None:
            while sum(each.done() for each in sending) < len(sending) // 4:  # noqa: ASYNC110 - of many tasks
                await asyncio.sleep(0.01)
            await asyncio.to_thread(cut.set_open, is_open=False)
            await asyncio.sleep(CUT_S)
            await asyncio.to_thread(cut.set_open, is_open=True)
        done = await asyncio.gather(*sending)
    return Burst([each for each, _ in done], sum(retries for _, retries in done), time.monotonic() - start)


def new_ids(count: int) -> list[str]:
    """Return ids of new predictions."""
    return [new_id() for _ in range(count)]


def imported(kube: Kube) -> list[str]:
    """Return the prediction of each import that a callback created."""
    found = kube.get(names.PLURAL, namespace=NAMESPACE)["items"]
    sources = [each["spec"]["source"] for each in found]
    return [each["provider"]["id"] for each in sources if "provider" in each]


async def creations_per_s(environment: dict[str, str]) -> float:
    """Return the number of imports a second that the API server accepts from a single client."""
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    request, free = ImportRequest(url="https://example.com/video.mp4"), asyncio.Semaphore(AT_ONCE)
    async with connect("mediaimport-bench", connections=64) as api:
        cluster = KubernetesCluster(api, namespace=NAMESPACE, pod_name="bench", deployment_name=None)

        async def create() -> None:
            async with free:
                await cluster.create_import(requested_manifest(request, user_id="default", idempotency_key=None))

        await create()
        start = time.monotonic()
        await asyncio.gather(*(create() for _ in range(ALONE)))
        return ALONE / (time.monotonic() - start)


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for a while."""
    with tempfile.TemporaryDirectory(prefix="bench-burst-") as path:
        yield Path(path)


@contextmanager
def webhook_of(environment: dict[str, str], folder: Path, *, config: Path) -> Iterator[WebhookProcess]:
    """Run the webhook on the real cluster, warmed up, in a namespace that no operator watches."""
    variables = {name: value for name, value in environment.items() if name.startswith("S3_")}
    variables |= {
        "KUBECONFIG": str(config),
        "NAMESPACE": NAMESPACE,
        "REPLICATE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "S3_ADDRESSING_STYLE": "path",
    }
    with running_webhook(folder, variables) as webhook:
        asyncio.run(burst(webhook, new_ids(50), connections=8))
        yield webhook


def undisturbed(environment: dict[str, str], quiet: list[str], at_once: list[str]) -> tuple[Burst, Burst, float]:
    """Send the first on few connections, the second at once; return also the CPU milliseconds of each first."""
    with folder() as place, webhook_of(environment, place, config=Path(environment["KUBECONFIG"])) as webhook:
        before_s = webhook.cpu_s
        first = asyncio.run(burst(webhook, quiet, connections=CONNECTIONS))
        cpu_ms = (webhook.cpu_s - before_s) / CALLBACKS * 1000
        return first, asyncio.run(burst(webhook, at_once, connections=CALLBACKS)), cpu_ms


def disturbed_by_a_cut(environment: dict[str, str], disturbed: list[str]) -> Burst:
    """Send them all at once, over a way to the API server that is closed for a while in the middle."""
    original = Path(environment["KUBECONFIG"])
    server = urlsplit(yaml.safe_load(original.read_text())["clusters"][0]["cluster"]["server"])
    with folder() as place, running_toxiproxy(place, program=toxiproxy()) as proxies:
        port = proxies.forwarded(f"{server.hostname}:{server.port}")
        with webhook_of(environment, place, config=kubeconfig(place, original, port=port)) as webhook:
            return asyncio.run(burst(webhook, disturbed, connections=CALLBACKS, cut=Cut(proxies, port)))


def main() -> Sheet:
    """Measure and report."""
    quiet, at_once, disturbed = new_ids(CALLBACKS), new_ids(CALLBACKS), new_ids(CALLBACKS)
    environment = dev.cluster.environment()
    kube = Kube(environment)
    define_imports(kube)
    kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    try:
        alone_per_s = asyncio.run(creations_per_s(environment))
        first, second, cpu_ms = undisturbed(environment, quiet, at_once)
        third = disturbed_by_a_cut(environment, disturbed)
        found = imported(kube)
    finally:
        kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    expected = {*quiet, *at_once, *disturbed}
    least_s = CALLBACKS / alone_per_s
    return report(
        "burst",
        [
            *first.figures(f"{CALLBACKS} on {CONNECTIONS} connections", limit_s=least_s),
            Figure(
                "the same, accepted a second",
                CALLBACKS / first.duration_s,
                "/s",
                round(alone_per_s),
                Bar(120, at_most=False),
            ),
            Figure("the same, the webhook's CPU time of one", cpu_ms, "ms", None, Bar(4)),
            *second.figures(f"{CALLBACKS} at once", limit_s=least_s),
            *third.figures(f"{CALLBACKS} at once, API server cut off for {CUT_S:.0f} s"),
            Figure("lost, of all three", len(expected - set(found)), "", None, Bar(0)),
            Figure("doubled, of all three", len(found) - len(set(found)), "", None, Bar(0)),
        ],
        form={"callbacks": CALLBACKS},
    )
