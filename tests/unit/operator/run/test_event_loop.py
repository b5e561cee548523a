"""Nothing holds up the event loop for longer than 50 ms, with ten thousand imports."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from mediaimport_api import names
from mediaimport_operator.cluster import Cluster
from mediaimport_operator.decide.limits import Slots
from mediaimport_operator.observe.cache import ImportCache
from mediaimport_operator.observe.resource import read
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.reconcile.worker import WORKERS, Reconciler
from mediaimport_operator.run.resync import Resync
from mediaimport_operator.settings.operator import Caps
from mediaimport_runtime.kubernetes.objects import pack, unpack

from tests.support.fake_api.server import FakeApi
from tests.support.operator_fakes import as_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build, FakeCluster

pytestmark = pytest.mark.anyio
COUNT = 10_000
LIMIT_S = 0.05


@dataclass
class Turns:
    """The processor time of each turn of the loop that was longer than the limit: other processes do not count."""

    long_s: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        last_s = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now_s = time.thread_time()
            if now_s - last_s > LIMIT_S:
                self.long_s.append(now_s - last_s)
            last_s = now_s


@asynccontextmanager
async def watched() -> AsyncIterator[Turns]:
    turns = Turns()
    gc.collect()
    gc.freeze()
    watching = asyncio.create_task(turns.watch())
    await asyncio.sleep(0)
    try:
        yield turns
    finally:
        watching.cancel()
        gc.unfreeze()


def owned(build: Build, number: int) -> tuple[Object, Object]:
    """An import with a host of its own, and its Job."""
    uid = str(UUID(int=number))
    item, job = build.mediaimport(), build.job()
    spec = {"userId": f"user-{number % 1000}", "source": {"url": f"https://host-{number}.example/video.mp4"}}
    meta = {"uid": uid, "name": f"film-{number}", "resourceVersion": str(number + 1)}
    item = item | {"metadata": item["metadata"] | meta, "spec": item["spec"] | spec}
    labels = job["metadata"]["labels"] | {names.LABEL_UID: uid}
    owner = [{"uid": uid, "controller": True}]
    about = {"uid": f"job-{number}", "name": f"job-{number}", "labels": labels, "ownerReferences": owner}
    return item, job | {"metadata": job["metadata"] | about}


@pytest.fixture
def many(build: Build, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    pairs = [owned(build, number) for number in range(COUNT)]
    lists = {"imports": [pack(item) for item, _ in pairs], "jobs": [pack(job) for _, job in pairs]}

    async def listed(kind: str, take: Callable[[Object], object]) -> str:
        for each in lists[kind]:
            take(unpack(each))
            await asyncio.sleep(0)
        return "1000000"

    monkeypatch.setattr(cluster, "imports", lambda _, take: listed("imports", take))
    monkeypatch.setattr(cluster, "jobs", lambda _, __, take: listed("jobs", take))
    return cluster


async def test_first_resync_of_ten_thousand_imports_lets_others_run(build: Build, many: FakeCluster) -> None:
    context = Context.create(build.settings(), as_cluster(many), clock=lambda: build.now)
    resync = Resync(context)
    async with watched() as turns:
        await resync.first()
    assert (turns.long_s, len(context.cache.imports), context.slots.in_flight) == ([], COUNT, COUNT)


async def test_resync_without_a_change_lets_others_run(build: Build, many: FakeCluster) -> None:
    context = Context.create(build.settings(), as_cluster(many), clock=lambda: build.now)
    resync = Resync(context)
    await resync.first()
    async with watched() as turns:
        assert await resync.once() == 0
    assert turns.long_s == []


async def test_reconciles_that_write_nothing_let_others_run(build: Build, cluster: FakeCluster) -> None:
    context = Context.create(build.settings(), as_cluster(cluster), clock=lambda: build.now)
    leading = asyncio.Event()
    leading.set()
    context.queue.add_all(f"gone-{number}" for number in range(COUNT))
    reconciler = Reconciler(context)
    async with watched() as turns, asyncio.TaskGroup() as workers:
        for _ in range(WORKERS):
            workers.create_task(reconciler.work(leading))
        while len(context.queue):  # noqa: ASYNC110 - as everywhere here, each turn is watched
            await asyncio.sleep(0)
        context.queue.close()
    assert turns.long_s == []


async def test_long_list_of_the_api_server_is_read_while_others_run(build: Build) -> None:
    api = FakeApi()
    for number in range(1_000):
        api.put("mediaimports", owned(build, number)[0])
    async with api.serving(), api.client() as client:
        async with watched() as turns:
            cache = ImportCache()
            await Cluster(client).imports("media", cache.store_listed)
        assert (turns.long_s, len(cache)) == ([], 1_000)


@pytest.mark.parametrize("hosts", [1, COUNT])
@pytest.mark.parametrize("users", [1, 1000])
@pytest.mark.parametrize("caps", [Caps(10, 0, 3), Caps(1000, 0, 1)])
async def test_ten_thousand_claims_are_granted_one_after_the_other_while_others_run(
    build: Build, hosts: int, users: int, caps: Caps
) -> None:
    first = read(owned(build, 0)[0]).claim
    granted: list[str] = []
    slots = Slots(caps, on_grant=granted.append)
    claims = [
        replace(first, key=f"film-{number}", user=f"user-{number % users}", host=f"host-{number % hosts}")
        for number in range(COUNT)
    ]
    async with watched() as turns:
        for each in claims:
            slots.request(each)
            await asyncio.sleep(0)
        for each in claims[:1_000]:
            slots.release(each.key)
            await asyncio.sleep(0)
    assert turns.long_s == []
    assert granted
