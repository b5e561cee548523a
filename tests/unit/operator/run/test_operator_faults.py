"""The operator's parts over a faulty API server, in virtual time, without kopf."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from mediaimport_operator.cluster import Cluster
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.run.lease import LeaseLostError
from mediaimport_operator.run.operator import Operator
from mediaimport_runtime.kubernetes.clock import Clock

from tests.support.fake_api.faults import answer
from tests.support.fake_api.server import FakeApi, html
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import web

    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@dataclass
class World:
    """An operator and its API server."""

    api: FakeApi
    operator: Operator

    @property
    def context(self) -> Context:
        return self.operator.context

    @property
    def jobs(self) -> int:
        return len(self.api.objects.of("jobs"))

    @property
    def holder(self) -> str:
        return str(self.api.objects.of("leases")[0]["spec"]["holderIdentity"])

    def count(self, name: str, **labels: str) -> float:
        value = self.context.metrics.registry.get_sample_value(f"mediaimport_operator_{name}", labels)
        return value or 0.0


@pytest.fixture
async def world(build: Build) -> AsyncIterator[World]:
    async with FakeApi().serving() as api, operating(api, build) as operator:
        yield World(api, operator)
        await operator.stop()


@asynccontextmanager
async def operating(api: FakeApi, build: Build) -> AsyncIterator[Operator]:
    async with api.client(connections=24) as client, api.client(timeout_s=3) as lease_client:
        context = Context.create(build.settings(pod_uid="ours"), Cluster(client), clock=lambda: build.now)
        yield Operator(context, Clock(), Cluster(lease_client))


async def until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the server has no event for each condition
            await asyncio.sleep(0.1)


async def test_reconciles_wait_for_the_lease(world: World, build: Build) -> None:
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T12:00:00Z"}
    meta = {"namespace": "media", "name": "mediaimport-operator"}
    world.api.put("leases", {"metadata": meta, "spec": spec})
    world.api.put("mediaimports", build.mediaimport())
    start = asyncio.create_task(world.operator.start())
    await asyncio.sleep(10)
    assert (world.jobs, world.holder) == (0, "another")
    await until(lambda: world.jobs == 1)
    assert world.holder == "ours"
    await start


async def test_reconcile_under_way_ends_when_the_lease_lapses_and_is_done_again_with_it(
    world: World, build: Build
) -> None:
    await world.operator.start()
    world.api.hang("PUT .*/leases")
    creating, _ = world.api.hang("POST .*/jobs")
    item = world.api.put("mediaimports", build.mediaimport())
    world.context.cache.imports.update(item)
    world.context.queue.add(build.uid)
    await asyncio.wait_for(creating.met.wait(), 5)
    await until(lambda: world.count("lease_held") == 0, within_s=15)
    await asyncio.sleep(2)
    assert (world.jobs, creating.count, world.count("workqueue_depth")) == (0, 1, 1)
    world.api.heal()
    await until(lambda: world.jobs == 1)
    assert world.operator.failure is None


async def test_nothing_is_reconciled_while_the_lease_has_lapsed(world: World, build: Build) -> None:
    await world.operator.start()
    world.api.fault("/leases", answer(500, "{}"))
    await until(lambda: world.count("lease_held") == 0)
    world.context.cache.imports.update(world.api.put("mediaimports", build.mediaimport()))
    world.context.queue.add(build.uid)
    await asyncio.sleep(60)
    assert world.jobs == 0
    assert world.operator.not_ready_reason() == "the operator does not hold the Lease"
    world.api.heal()
    await until(lambda: world.jobs == 1)


async def test_lease_that_another_took_ends_the_operator(world: World) -> None:
    await world.operator.start()
    (lease,) = world.api.objects.of("leases")
    world.api.put("leases", {**lease, "spec": {**lease["spec"], "holderIdentity": "another", "renewTime": "now"}})
    await asyncio.wait_for(world.operator.stopped.wait(), 20)
    assert isinstance(world.operator.failure, ExceptionGroup)
    assert world.operator.failure.subgroup(LeaseLostError) is not None
    await world.operator.stop()
    assert world.holder == "another", "a successor's Lease is left alone"


async def test_failure_that_cannot_be_reported_loses_no_key_and_ends_no_worker(
    world: World, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.operator.start()
    reports = 0

    async def broken(*_: object, **__: object) -> None:
        nonlocal reports
        reports += 1
        raise ZeroDivisionError

    applier = world.operator._workers._reconciler._applier
    monkeypatch.setattr(applier, "report_failure", broken)
    world.api.fault("POST .*/jobs", html(403), times=20)
    monkeypatch.setattr(applier, "apply", broken)
    world.context.cache.imports.update(world.api.put("mediaimports", build.mediaimport()))
    world.context.queue.add(build.uid)
    await until(lambda: reports >= 6)
    monkeypatch.undo()
    world.api.heal()
    await until(lambda: world.jobs == 1)
    assert world.operator.failure is None


async def test_worker_that_dies_ends_the_operator(world: World, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.operator.start()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(world.context.queue, "requeue_if_running", broken)
    world.context.cache.imports.update(world.api.put("mediaimports", build.mediaimport()))
    world.context.queue.add(build.uid)
    await asyncio.wait_for(world.operator.stopped.wait(), 20)
    assert world.operator.failure is not None
    await world.operator.stop()
    assert world.holder == ""


async def test_stop_lets_a_reconcile_end_first(world: World, build: Build) -> None:
    await world.operator.start()
    creating, hang = world.api.hang("POST .*/jobs", late=True)
    world.context.cache.imports.update(world.api.put("mediaimports", build.mediaimport()))
    world.context.queue.add(build.uid)
    await asyncio.wait_for(creating.met.wait(), 5)
    stop = asyncio.create_task(world.operator.stop())
    await asyncio.sleep(5)
    assert (stop.done(), world.holder) == (False, "ours")
    hang.end()
    await asyncio.wait_for(stop, 10)
    assert (world.jobs, world.holder) == (1, "")


async def test_stop_waits_for_a_hung_reconcile_only_so_long(world: World, build: Build) -> None:
    await world.operator.start()
    creating, _ = world.api.hang("POST .*/jobs")
    world.context.cache.imports.update(world.api.put("mediaimports", build.mediaimport()))
    world.context.queue.add(build.uid)
    await asyncio.wait_for(creating.met.wait(), 5)
    await asyncio.wait_for(world.operator.stop(), 20)
    assert world.holder == ""


# --- resync ---


def many(api: FakeApi, build: Build, count: int) -> None:
    for number in range(count):
        meta = {"name": f"film-{number:03}", "uid": str(UUID(int=number))}
        item = build.mediaimport(meta=meta)
        item["metadata"]["namespace"] = "media"
        api.put("mediaimports", item)


async def test_list_that_expires_in_the_middle_is_no_deletion(world: World, build: Build) -> None:
    many(world.api, build, 300)
    resync = world.operator._resync
    await resync.first()

    async def compact(_: web.Request) -> None:
        world.api.objects.compact()

    world.api.fault("GET .*/mediaimports.*continue", compact, times=1)
    assert await resync.once() is None
    assert len(world.context.cache.imports) == 300
    assert await resync.once() == 0
    assert len(world.context.cache.imports) == 300


async def test_resync_notices_deletions_that_no_watch_reported(world: World, build: Build) -> None:
    many(world.api, build, 3)
    resync = world.operator._resync
    await resync.first()
    gone = world.api.objects.items["mediaimports"].pop(("media", "film-001"))
    world.api.objects.version += 1
    while len(world.context.queue):
        key = await world.context.queue.get()
        assert key is not None
        world.context.queue.done(key)
    assert await resync.once() == 1
    assert await world.context.queue.get() == gone["metadata"]["uid"]
    assert world.context.cache.imports.get(gone["metadata"]["uid"]) is None


async def test_first_resync_waits_for_an_api_server_that_is_away(world: World, build: Build) -> None:
    world.api.put("mediaimports", build.mediaimport())
    world.api.fault("GET .*/(mediaimports|jobs|pods)", html(200))
    start = asyncio.create_task(world.operator.start())
    await asyncio.sleep(15)
    assert (world.jobs, world.operator.failure) == (0, None)
    world.api.heal()
    await until(lambda: world.jobs == 1)
    await start


@pytest.mark.parametrize("code", [429, 503])
async def test_resync_keeps_the_wait_that_the_api_server_names(world: World, build: Build, code: int) -> None:
    world.api.put("mediaimports", build.mediaimport())
    fault = world.api.fault("GET .*/jobs", answer(code, "{}", {"Retry-After": "30"}), times=1)
    start = asyncio.create_task(world.operator.start())
    await asyncio.wait_for(fault.met.wait(), 20)
    await asyncio.sleep(28)
    assert world.api.counted("GET .*/jobs") == 1
    await until(lambda: world.jobs == 1, within_s=20)
    await start


async def test_list_with_an_item_that_is_no_object_deletes_nothing(world: World, build: Build) -> None:
    many(world.api, build, 3)
    resync = world.operator._resync
    await resync.first()
    world.api.fault(
        "GET .*/mediaimports", answer(200, '{"items": [null], "metadata": {"resourceVersion": "999"}}'), times=1
    )
    assert await resync.once() == 0
    assert len(world.context.cache.imports) == 3
