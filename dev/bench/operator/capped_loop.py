"""Simple loop that keeps as many objects running as a cap allows: what a script does that has no operator."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.kubernetes.client import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mediaimport_runtime.kubernetes.client import Client

_CREATORS = 16


@dataclass(frozen=True)
class Work:
    """Objects to create, and how their ends are seen.

    `path`: of the objects; `watched`: of those that show an end; `ended` returns the name of the object that has ended.
    """

    path: str
    watched: str
    manifest: Callable[[int], dict[str, Any]]
    ended: Callable[[dict[str, Any]], str | None]


async def finished_within(api: Client, work: Work, count: int, *, cap: int, timeout_s: float) -> tuple[int, float]:
    """Keep `cap` objects running until `count` have finished; return their number and the seconds."""
    begun_s = time.monotonic()
    loop = _Loop(api, work, count, cap)
    with suppress(TimeoutError):
        await asyncio.wait_for(loop.run(), timeout_s)
    return len(loop.ended), time.monotonic() - begun_s


class _Loop:
    """Watch that frees a slot for each object that ends, and creators that wait for slots."""

    def __init__(self, api: Client, work: Work, count: int, cap: int) -> None:
        self._api = api
        self._work = work
        self._count = count
        self._slots = asyncio.Semaphore(cap)
        self.ended: set[str] = set()

    async def run(self) -> None:
        version = await self._api.list_each(self._work.watched, take=lambda _: None)
        numbers = iter(range(self._count))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(version))
            for _ in range(_CREATORS):
                tasks.create_task(self._create(numbers))

    async def _create(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._slots.acquire()
            await self._api.request(Call("POST", self._work.path, body=self._work.manifest(number)))

    async def _watch(self, version: str) -> None:
        while len(self.ended) < self._count:
            async for change in self._api.watch(self._work.watched, version):
                version = change.resource["metadata"]["resourceVersion"]
                if change.kind != "BOOKMARK":
                    self._see(change.resource)
                if len(self.ended) >= self._count:
                    return

    def _see(self, resource: dict[str, Any]) -> None:
        name = self._work.ended(resource)
        if name is not None and name not in self.ended:
            self.ended.add(name)
            self._slots.release()
