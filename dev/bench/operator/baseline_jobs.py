"""Baseline of the operator: as many plain Jobs as there are imports, kept at a cap by a simple loop."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job
from mediaimport_operator.settings.operator import Settings
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.kubernetes.client import Call

from dev.bench.operator import load
from dev.bench.operator.operator_process import job_variables

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.client import Client

_CREATORS = 16
_WATCH = aiohttp.ClientTimeout(total=None, sock_connect=10)


async def finished_within(api: Client, namespace: str, count: int, *, cap: int, timeout_s: float) -> tuple[int, float]:
    """Keep `cap` Jobs running until `count` have finished; return their number and the seconds."""
    begun_s = time.monotonic()
    loop = _Loop(api, namespace, count, cap)
    with suppress(TimeoutError):
        await asyncio.wait_for(loop.run(), timeout_s)
    return len(loop.ended), time.monotonic() - begun_s


class _Loop:
    """Watch that frees a slot for each Job, and creators that wait for slots.

    The slot is free at the same event as the operator's: the end of the pod, not the Job's condition seconds later.
    """

    def __init__(self, api: Client, namespace: str, count: int, cap: int) -> None:
        self._api = api
        self._count = count
        self._path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._settings = Settings.read(Environment(job_variables(namespace)))
        self._slots = asyncio.Semaphore(cap)
        self.ended: set[str] = set()

    async def run(self) -> None:
        version = await self._api.list_each(self._pods, take=lambda _: None)
        numbers = iter(range(self._count))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(version))
            for _ in range(_CREATORS):
                tasks.create_task(self._create(numbers))

    async def _create(self, numbers: Any) -> None:  # noqa: ANN401 - an iterator that creators share
        for number in numbers:
            await self._slots.acquire()
            await self._api.request(Call("POST", self._path, body=_job(number, self._settings)))

    async def _watch(self, version: str) -> None:
        while len(self.ended) < self._count:
            async for change in self._api.watch(self._pods, version):
                version = change.resource["metadata"]["resourceVersion"]
                self._see(change.resource)
                if len(self.ended) >= self._count:
                    return

    def _see(self, pod: dict[str, Any]) -> None:
        job = pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name", "")
        if (pod.get("status") or {}).get("phase") == "Succeeded" and job not in self.ended:
            self.ended.add(job)
            self._slots.release()


def _job(number: int, settings: Settings) -> dict[str, Any]:
    """Return the Job that the operator creates, without an owner, and with the TTL of the operator's."""
    meta = {"namespace": settings.operator_namespace, "uid": str(uuid4()), "creationTimestamp": "2030-01-01T00:00:00Z"}
    item = load.mediaimport(number)
    manifest = import_job.job(resource.read(item | {"metadata": item["metadata"] | meta}), settings, attempt=1)
    del manifest["metadata"]["ownerReferences"]
    manifest["spec"]["ttlSecondsAfterFinished"] = settings.successful_job_s
    return manifest
