"""`make bench-burst`: 1,000 signed webhooks at once; again with the API server cut off for 10 s in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import yaml
from mediaimport_api import names
from mediaimport_runtime.kubernetes.client import connect
from mediaimport_webhook.cluster import KubernetesCluster
from mediaimport_webhook.imports.create import ImportRequest, requested_manifest
from standardwebhooks.webhooks import Webhook

import dev.cluster
from dev.bench.figures import Bar, Figure, percentile, report
from dev.bench.webhook_process import Shim, running_shim
from dev.cluster.kubectl import Kube, Object
from tests.support.loopback.bandwidth import Toxiproxy, running_toxiproxy, toxiproxy
from tests.support.replicate.settings import WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "mediaimport-burst"
CALLBACKS = 1_000
CONNECTIONS = 64
AT_ONCE, ALONE = 8, 300
CUT_S = 10.0
RETRY_AFTER_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""About as Replicate does: the last retry comes a minute after the first try."""


@dataclass(frozen=True)
class Cut:
    """The way to the API server, which can be closed."""

    proxies: Toxiproxy
    port: int

    def set_open(self, *, is_open: bool) -> None:
        """Close or open it; closing breaks what is connected."""
        self.proxies.set_enabled(port=self.port, enabled=is_open)


@dataclass(frozen=True)
class Burst:
    """What the sender saw."""

    answers_s: list[float]
    """Of the answers that ended each callback, from the sending of that try."""
    retries: int
    duration_s: float


def kubeconfig(folder: Path, original: Path, *, port: int) -> Path:
    """Write one that leads through the proxy and still knows the server by its name."""
    content: Object = yaml.safe_load(original.read_text())
    for each in content["clusters"]:
        each["cluster"]["tls-server-name"] = urlsplit(each["cluster"]["server"]).hostname
        each["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


def callback(prediction: str) -> tuple[bytes, dict[str, str]]:
    """Return a signed callback's body and headers."""
    now = datetime.now(UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = json.dumps({
        "id": prediction, "model": "stand-in/video", "version": "hidden", "status": "succeeded", "input": {},
        "output": f"https://replicate.delivery/xezq/{prediction}/output.mp4",
        "created_at": stamp, "completed_at": stamp,
    })  # fmt: skip
    signature = Webhook(WEBHOOK_SECRET).sign(f"msg_{prediction}", now, body)
    headers = {
        "webhook-id": f"msg_{prediction}",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return body.encode(), headers


async def send(session: aiohttp.ClientSession, url: str, prediction: str) -> tuple[float, int]:
    """Call back until it is taken; return how long the last try took and how many retries there were."""
    for retries, wait_s in enumerate((*RETRY_AFTER_S, None)):
        body, headers = callback(prediction)
        start = time.monotonic()
        with suppress(aiohttp.ClientError):
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                if answer.ok:
                    return time.monotonic() - start, retries
        if wait_s is None:
            break
        await asyncio.sleep(wait_s)
    raise TimeoutError(f"{prediction} was never taken")


async def burst(shim: Shim, predictions: list[str], *, connections: int, cut: Cut | None = None) -> Burst:
    """Send them all, and cut the API server off meanwhile if there is something to cut."""
    url = f"{shim.url}/api/v1/replicate/webhook"
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


def imported(kube: Kube) -> list[str]:
    """Return the prediction of each import that a callback made."""
    found = kube.get(names.PLURAL, namespace=NAMESPACE)["items"]
    sources = [each["spec"]["source"] for each in found]
    return [each["provider"]["id"] for each in sources if "provider" in each]


async def creations_per_s(environment: dict[str, str]) -> float:
    """Return how many imports the API server takes when nobody asks anything else of this machine."""
    os.environ["KUBECONFIG"] = environment["KUBECONFIG"]
    request, free = ImportRequest(url="https://example.com/video.mp4"), asyncio.Semaphore(AT_ONCE)
    async with connect("mediaimport-bench", connections=64) as api:
        cluster = KubernetesCluster(api, namespace=NAMESPACE, pod_name="bench", deployment_name=None)

        async def create() -> None:
            async with free:
                await cluster.create_import(requested_manifest(request, user_id="default", key=None))

        await create()
        start = time.monotonic()
        await asyncio.gather(*(create() for _ in range(ALONE)))
        return ALONE / (time.monotonic() - start)


def made(count: int) -> list[str]:
    """Return new predictions' ids."""
    return [secrets.token_hex(13) for _ in range(count)]


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for a while."""
    with tempfile.TemporaryDirectory(prefix="bench-burst-") as path:
        yield Path(path)


@contextmanager
def shim_of(environment: dict[str, str], folder: Path, *, config: Path) -> Iterator[Shim]:
    """Run the shim on the real cluster, in a namespace that no operator looks at; its connections and caches warm."""
    variables = {name: value for name, value in environment.items() if name.startswith("S3_")}
    variables |= {
        "KUBECONFIG": str(config),
        "NAMESPACE": NAMESPACE,
        "REPLICATE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "S3_ADDRESSING_STYLE": "path",
    }
    with running_shim(folder, variables) as shim:
        asyncio.run(burst(shim, made(50), connections=8))
        yield shim


def undisturbed(environment: dict[str, str], quiet: list[str], at_once: list[str]) -> tuple[Burst, Burst, float]:
    """Send the first on few connections, the second all at once; return also the shim's milliseconds for each first."""
    with folder() as place, shim_of(environment, place, config=Path(environment["KUBECONFIG"])) as shim:
        before_s = shim.cpu_s
        first = asyncio.run(burst(shim, quiet, connections=CONNECTIONS))
        cpu_ms = (shim.cpu_s - before_s) / CALLBACKS * 1000
        return first, asyncio.run(burst(shim, at_once, connections=CALLBACKS)), cpu_ms


def disturbed_by_a_cut(environment: dict[str, str], disturbed: list[str]) -> Burst:
    """Send them all at once, over a way to the API server that is closed for a while in the middle."""
    original = Path(environment["KUBECONFIG"])
    server = urlsplit(yaml.safe_load(original.read_text())["clusters"][0]["cluster"]["server"])
    with folder() as place, running_toxiproxy(place, program=toxiproxy()) as proxies:
        port = proxies.forwarded(f"{server.hostname}:{server.port}")
        with shim_of(environment, place, config=kubeconfig(place, original, port=port)) as shim:
            return asyncio.run(burst(shim, disturbed, connections=CALLBACKS, cut=Cut(proxies, port)))


def main() -> None:
    """Measure and report."""
    quiet, at_once, disturbed = made(CALLBACKS), made(CALLBACKS), made(CALLBACKS)
    environment = dev.cluster.environment()
    kube = Kube(environment)
    kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    kube.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    try:
        alone_per_s = asyncio.run(creations_per_s(environment))
        first, second, cpu_ms = undisturbed(environment, quiet, at_once)
        third = disturbed_by_a_cut(environment, disturbed)
        found = imported(kube)
    finally:
        kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    wanted = {*quiet, *at_once, *disturbed}
    least_s = round(CALLBACKS / alone_per_s, 2)
    report(
        "burst",
        [
            Figure(
                f"1,000 webhooks on {CONNECTIONS} connections, p99", percentile(first.answers_s, 99), "s", None, Bar(2)
            ),
            Figure("the same, taken a second", CALLBACKS / first.duration_s, "/s", round(alone_per_s)),
            Figure("the same, the shim's processor time of one", cpu_ms, "ms"),
            Figure("1,000 webhooks all at once, p50", percentile(second.answers_s, 50), "s", least_s / 2),
            Figure("1,000 webhooks all at once, p99", percentile(second.answers_s, 99), "s", least_s, Bar(2)),
            Figure("the same: told to come again, so retries", second.retries, ""),
            Figure("the same, until all were taken", second.duration_s, "s", least_s),
            Figure("all at once, API server cut off for 10 s: retries", third.retries, ""),
            Figure("the same, until all were taken", third.duration_s, "s"),
            Figure("lost, of all three", len(wanted - set(found)), "", None, Bar(0)),
            Figure("doubled, of all three", len(found) - len(set(found)), "", None, Bar(0)),
        ],
    )
