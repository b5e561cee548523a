"""`make bench-reads`: one worker of the webhook with 10,000 resources, read on loopback.

First reads, each of another asset; then as many as it answers (wrk, all URLs at random), then a steady rate in an open
loop; the same with more assets than it keeps signatures of. READS_RESOURCES and READS_SECONDS take other sizes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from mediaimport_api.names import API_VERSION, KIND, AssetKeys

from dev.bench import longest_turn
from dev.bench.figures import Bar, Figure, Sheet, report
from dev.bench.webhook import open_loop
from dev.bench.webhook.apiserver import Resource, running_apiserver
from dev.cluster.cache import Cache
from dev.cluster.programs import debian
from tests.support.webhook_process import TOKEN, WebhookProcess, running_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCES = int(os.environ.get("READS_RESOURCES", "10000"))
MANY = RESOURCES * 2
"""More than the signatures that are kept: two for each asset."""
STREAMS = RESOURCES // 10
"""Event streams, one for each asset that is not Ready."""
RUN_S = int(os.environ.get("READS_SECONDS", "10"))
CONNECTIONS = 32
MODULE, LONGEST_TURN = "dev.bench.webhook.timed_webhook", "longest-turn"
STEADY_PER_S = 500

_WRK_SCRIPT = """
local paths = {}
for line in io.lines(os.getenv("BENCH_PATHS")) do paths[#paths + 1] = line end
local headers = {["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")}
request = function() return wrk.format("GET", paths[math.random(#paths)], headers) end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("BENCH %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def resources(count: int) -> Iterator[Resource]:
    """Yield them as the operator leaves them: some under way, then, newer, the Ready ones."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        uid, ready = str(uuid4()), number >= STREAMS
        yield {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": f"import-{uid}", "namespace": "bench", "uid": uid, "resourceVersion": str(number + 1),
                "creationTimestamp": (start + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "labels": {"mediaimport.dev/asset": uid, "mediaimport.dev/user": "default"},
            },
            "spec": {
                "source": {"url": f"https://replicate.delivery/xezq/{uid}/output.mp4"}, "assetId": uid,
                "userId": "default", "name": "output.mp4", "tags": ["ai-generated"], "metadata": {"scene": number},
            },
            "status": _status(uid) if ready else {"phase": "Importing"},
        }  # fmt: skip


def _status(uid: str) -> Resource:
    keys = AssetKeys("default", uid)
    return {
        "phase": "Ready",
        "conditions": [
            {
                "type": "Ready", "status": "True", "reason": "Imported", "message": "The media is stored.",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
            }
        ],
        "asset": {
            "id": uid, "sha256": "0" * 64, "sizeBytes": 5_510_872, "contentType": "video/mp4", "kind": "video",
            "bucket": "media", "key": keys.original(kind="video", extension="mp4"), "etag": "0" * 32,
        },
        "media": {
            "formatName": "mov,mp4", "durationMs": 5280, "bitRateBps": 2_400_000, "width": 1280, "height": 720,
            "aspectRatio": "16:9", "video": {"codecName": "h264", "avgFrameRate": "25/1"},
        },
        "thumbnail": {
            "key": keys.thumbnail, "contentType": "image/jpeg", "width": 320, "height": 180, "sizeBytes": 9000
        },
    }  # fmt: skip


@dataclass(frozen=True)
class Load:
    """Result of a load generator. `cpu_us`: CPU time of the webhook for each request, whatever else runs."""

    per_s: float
    p99_ms: float
    cpu_us: float
    errors: int
    missed_ticks: int = 0


def wrk(webhook: WebhookProcess, paths: list[str], *, seconds: int = RUN_S) -> Load:
    """Ask for random ones of these paths as fast as they are answered."""
    script, listed = webhook.folder / "load.lua", webhook.folder / "paths"
    script.write_text(_WRK_SCRIPT)
    listed.write_text("\n".join(paths) + "\n")
    environment = os.environ | {"BENCH_PATHS": str(listed), "BENCH_TOKEN": TOKEN}
    before_s = webhook.cpu_s
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), webhook.url]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    requests, duration_us, p99_us, errors = (int(each) for each in output.rpartition("BENCH ")[2].split())
    return Load(requests / duration_us * 1e6, p99_us / 1000, (webhook.cpu_s - before_s) / requests * 1e6, errors)


def asked(webhook: WebhookProcess, paths: list[str], *, per_s: int = 0) -> Load:
    """Ask for these paths at a steady rate, or for each once."""
    before_s = webhook.cpu_s
    found = open_loop.run(
        open_loop.Load(webhook.url, TOKEN, paths, connections=CONNECTIONS, per_s=per_s, seconds=RUN_S)
    )
    cpu_us = (webhook.cpu_s - before_s) / found.requests * 1e6
    return Load(found.per_s, found.p99_ms, cpu_us, found.errors, found.missed_ticks)


async def stream_memory_mb(webhook: WebhookProcess, asset_ids: list[str]) -> float:
    """Open an event stream for each of these, and return by how much the webhook's memory grows."""
    before = webhook.memory_mb
    place = urlsplit(webhook.url)
    opened = [await asyncio.open_connection(place.hostname, place.port) for _ in asset_ids]
    for (_, writer), asset_id in zip(opened, asset_ids, strict=True):
        request = (
            f"GET /api/v1/media/{asset_id}/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        )
        writer.write(request.encode())
        await writer.drain()
    for reader, _ in opened:
        await asyncio.wait_for(reader.readuntil(b"event: asset"), timeout=30)
    grown = webhook.memory_mb - before
    for _, writer in opened:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return grown


def start(stack: ExitStack, held: list[Resource]) -> WebhookProcess:
    """Run the webhook on these resources and wait until it has read them."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-reads-")))
    kubeconfig = stack.enter_context(running_apiserver(folder, held))
    variables = {"NAMESPACE": "bench", "S3_BUCKET_NAME": "media", "EVENT_STREAMS_PER_USER": str(STREAMS)}
    keys = {"S3_ACCESS_KEY_ID": "bench", "S3_SECRET_ACCESS_KEY": "bench-secret"}
    variables |= {"KUBECONFIG": str(kubeconfig), longest_turn.VARIABLE: str(folder / LONGEST_TURN)}
    return stack.enter_context(running_webhook(folder, variables | keys, module=MODULE))


def asset_paths(held: list[Resource]) -> list[str]:
    """Return the path of each Ready asset."""
    return [f"/api/v1/media/{each['metadata']['uid']}" for each in held[STREAMS:]]


def measure(webhook: WebhookProcess, held: list[Resource]) -> list[Figure]:
    """Return all figures of a running webhook that has signed nothing yet."""
    assets, page = asset_paths(held), ["/api/v1/media/?limit=50"]
    synced_mb, health = webhook.memory_mb, wrk(webhook, ["/healthz"])
    first, one = asked(webhook, assets), wrk(webhook, assets)
    steady, listed = asked(webhook, assets, per_s=STEADY_PER_S), wrk(webhook, page)
    read_mb = webhook.memory_mb
    streams_mb = asyncio.run(stream_memory_mb(webhook, [each["metadata"]["uid"] for each in held[:STREAMS]]))
    ticks = STEADY_PER_S * RUN_S
    return [
        Figure("GET media/{id}, first reads", first.per_s, "/s", round(health.per_s)),
        Figure("the same, p99", first.p99_ms, "ms"),
        Figure("the same, processor time of one", first.cpu_us, "us"),
        Figure("GET media/{id}, read before", one.per_s, "/s", round(health.per_s), Bar(5000, at_most=False)),
        Figure("the same, processor time of one", one.cpu_us, "us"),
        Figure(f"GET media/{{id}} at {STEADY_PER_S}/s, p99", steady.p99_ms, "ms", None, Bar(20)),
        Figure(f"the same, missed of {ticks} ticks", steady.missed_ticks, "", None, Bar(ticks // 100)),
        Figure("GET media/?limit=50", listed.per_s, "/s", round(health.per_s), Bar(2000, at_most=False)),
        Figure("errors of all these", sum(each.errors for each in (health, first, one, steady, listed)), "", 0, Bar(0)),
        Figure(f"memory with {RESOURCES} resources, after the list", synced_mb, "MB", None, Bar(250)),
        Figure(f"memory with {RESOURCES} resources, all signed and read", read_mb, "MB", None, Bar(250)),
        Figure(f"memory of {STREAMS} event streams", streams_mb, "MB"),
    ]


def measure_many(webhook: WebhookProcess, held: list[Resource]) -> list[Figure]:
    """Return the figures with more assets than signatures are kept."""
    assets, listed_ms = asset_paths(held), longest_turn.longest_ms(webhook.folder / LONGEST_TURN)
    first, again = asked(webhook, assets), wrk(webhook, assets)
    return [
        Figure(f"longest turn of its event loop, a list of {MANY} resources", listed_ms, "ms", None, Bar(100)),
        Figure(f"GET media/{{id}} with {MANY} resources, first reads", first.per_s, "/s"),
        Figure(f"GET media/{{id}} with {MANY} resources, read before", again.per_s, "/s"),
        Figure("the same, processor time of one", again.cpu_us, "us"),
        Figure("errors of both", first.errors + again.errors, "", 0, Bar(0)),
        Figure(f"memory with {MANY} resources", webhook.memory_mb, "MB", None, Bar(200)),
    ]


def main() -> Sheet:
    """Measure and report."""
    if shutil.which("wrk") is None:
        debian.install(Cache.of(os.environ), ["wrk"])
    figures = []
    for count, measured in ((RESOURCES, measure), (MANY, measure_many)):
        held = list(resources(count))
        with ExitStack() as stack:
            figures += measured(start(stack, held), held)
    return report("reads", figures, form={"resources": RESOURCES, "seconds": RUN_S})
