"""`make bench-reads`: one worker of the webhook with 10,000 resources, read by wrk and hey on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from mediaimport_api.names import API_VERSION, KIND, AssetKeys

from dev.bench.figures import Bar, Figure, report
from dev.bench.webhook.apiserver import Resource, running_apiserver
from tests.support.webhook_process import TOKEN, WebhookProcess, running_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCES = 10_000
UPLOADING = 1_000
STREAMS = 1_000
RUN_S = 10
CONNECTIONS = 32
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


def resources() -> Iterator[Resource]:
    """Yield them as the operator leaves them: some under way, then, newer, the Ready ones."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(RESOURCES):
        uid, ready = str(uuid4()), number >= UPLOADING
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
    """Result of a load generator."""

    per_s: float
    p99_ms: float
    cpu_us: float
    """CPU time of the webhook for each request; other load on the machine does not change it."""


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
    if errors:
        sys.exit(f"wrk saw {errors} errors:\n{output}")
    return Load(requests / duration_us * 1e6, p99_us / 1000, (webhook.cpu_s - before_s) / requests * 1e6)


def hey(webhook: WebhookProcess, path: str, *, per_s: int) -> Load:
    """Ask for one path at a steady rate."""
    workers = 10
    command = [
        "hey", "-z", f"{RUN_S}s", "-c", str(workers), "-q", str(per_s / workers), "-o", "csv",
        "-H", f"Authorization: Bearer {TOKEN}", webhook.url + path,
    ]  # fmt: skip
    before_s = webhook.cpu_s
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(",") for line in output.splitlines()[1:]]
    if any(row[6] != "200" for row in rows):
        sys.exit("hey saw an answer that is not 200")
    times_ms = sorted(float(row[0]) * 1000 for row in rows)
    return Load(
        len(rows) / RUN_S, times_ms[int(len(times_ms) * 0.99) - 1], (webhook.cpu_s - before_s) / len(rows) * 1e6
    )


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
    variables = {"NAMESPACE": "bench", "S3_BUCKET_NAME": "media"}
    keys = {"S3_ACCESS_KEY_ID": "bench", "S3_SECRET_ACCESS_KEY": "bench-secret"}
    return stack.enter_context(running_webhook(folder, {"KUBECONFIG": str(kubeconfig), **variables, **keys}))


def measure(webhook: WebhookProcess, held: list[Resource]) -> list[Figure]:
    """Return all figures of a running webhook."""
    ready = [each["metadata"]["uid"] for each in held[UPLOADING:]]
    under_way = [each["metadata"]["uid"] for each in held[:STREAMS]]
    assets, page = [f"/api/v1/media/{each}" for each in ready], ["/api/v1/media/?limit=50"]
    synced_mb = webhook.memory_mb
    health = wrk(webhook, ["/healthz"])
    wrk(webhook, assets)  # signs what is signed once
    one, steady, listed = wrk(webhook, assets), hey(webhook, assets[0], per_s=STEADY_PER_S), wrk(webhook, page)
    read_mb = webhook.memory_mb
    streams_mb = asyncio.run(stream_memory_mb(webhook, under_way))
    return [
        Figure("GET media/{id}, one worker", one.per_s, "/s", round(health.per_s), Bar(2000, at_most=False)),
        Figure("its processor time", one.cpu_us, "us"),
        Figure(f"the same at {steady.per_s:.0f}/s, p99", steady.p99_ms, "ms", None, Bar(20)),
        Figure("GET media/?limit=50, one worker", listed.per_s, "/s", round(health.per_s), Bar(200, at_most=False)),
        Figure("memory with 10,000 resources, after the list", synced_mb, "MB", None, Bar(250)),
        Figure("memory with 10,000 resources, all signed and read", read_mb, "MB", None, Bar(250)),
        Figure(f"memory of {STREAMS} event streams", streams_mb, "MB"),
    ]


def main() -> None:
    """Measure and report."""
    missing = [each for each in ("wrk", "hey") if shutil.which(each) is None]
    if missing:
        sys.exit(f"bench-reads needs Debian's {' and '.join(missing)}: apt-get install {' '.join(missing)}")
    held: list[Resource] = list(resources())
    with ExitStack() as stack:
        figures = measure(start(stack, held), held)
    report("reads", figures)
