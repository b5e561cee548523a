"""Stand-in for the operator: each import is finished as soon as it is seen, and nothing is downloaded."""

from __future__ import annotations

import asyncio
import multiprocessing
import zlib
from contextlib import aclosing, contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import UUID

from mediaimport_api.names import API_VERSION, PLURAL, AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import Asset, ErrorInfo, Kind, Media, Phase, Status, Thumbnail, VideoMedia
from mediaimport_runtime.kubernetes.client import connect
from mediaimport_runtime.kubernetes.errors import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Event

    from mediaimport_runtime.kubernetes.client import Client
    from mediaimport_runtime.kubernetes.objects import Object

_PAUSE_S = 0.2
_CONNECTIONS = 8
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 30
FAILED_OF = 4
"""One import of so many fails."""


@contextmanager
def finishing_operator(namespace: str) -> Iterator[None]:
    """Run it on the cluster that KUBECONFIG names, in a process of its own: its connections end with it."""
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    process = context.Process(target=_run, args=(namespace, started), daemon=True)
    process.start()
    try:
        if not started.wait(_START_TIMEOUT_S):
            raise TimeoutError("the stand-in for the operator does not start")
        yield
        assert process.is_alive(), "the stand-in for the operator ended by itself"
    finally:
        process.terminate()
        process.join(_STOP_TIMEOUT_S)


def _run(namespace: str, started: Event) -> None:
    async def run() -> None:
        async with connect("mediaimport-operator", connections=_CONNECTIONS) as client:
            started.set()
            await finish_imports(client, namespace)

    asyncio.run(run())


async def finish_imports(client: Client, namespace: str) -> None:
    """Finish all imports of the namespace, and let those go that are deleted, until cancelled."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"
    while True:
        with suppress(KubernetesError):
            page = await client.page(path)
            for each in page.items:
                await _settle(client, path, each)
            async with aclosing(client.watch(path, page.version)) as changes:
                async for change in changes:
                    if change.kind in {"ADDED", "MODIFIED"}:
                        await _settle(client, path, change.resource)
        await asyncio.sleep(_PAUSE_S)


async def _settle(client: Client, path: str, resource: Object) -> None:
    about, run = resource["metadata"], resource["spec"].get("run", "")
    item, status = f"{path}/{about['name']}", resource.get("status", {})
    # Somebody else may have changed or deleted it: its next change is seen, too.
    with suppress(KubernetesError):
        if "deletionTimestamp" in about:
            if about.get("finalizers"):
                await client.patch(item, {"metadata": {"finalizers": None}})
        elif status.get("phase") not in {"Ready", "Failed"} or status.get("run", "") != run:
            await client.patch(f"{item}/status", {"status": finished(resource).to_wire()})


def finished(resource: Object) -> Status:
    """Return the status that the import ends with, which its name decides."""
    about, spec = resource["metadata"], resource["spec"]
    run = spec.get("run", "")
    if zlib.crc32(about["name"].encode()) % FAILED_OF == 0:
        error = ErrorInfo(reason=Reason.SOURCE_NOT_FOUND, message="The source is gone.", retryable=False)
        return Status(phase=Phase.FAILED, run=run, error=error)
    keys = AssetKeys(spec.get("userId", "default"), spec.get("assetId") or about["uid"])
    return Status(
        phase=Phase.READY,
        run=run,
        asset=Asset(
            id=UUID(keys.asset_id), sha256="0" * 64, size_bytes=10, content_type="video/mp4", kind=Kind.VIDEO,
            bucket="media", key=keys.original(kind="video", extension="mp4"),
        ),
        media=Media(format_name="mov,mp4", duration_ms=5042, video=VideoMedia(codec_name="h264")),
        thumbnail=Thumbnail(key=keys.thumbnail, content_type="image/jpeg", width=320, height=180, size_bytes=5),
    )  # fmt: skip
