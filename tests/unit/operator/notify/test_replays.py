"""Replays: an endpoint is told again of what happened since a time, by the same ids."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.event_records import Replay
from mediaimport_operator.notify.endpoints import Endpoints
from mediaimport_operator.notify.notifier import USERS
from mediaimport_operator.notify.replays import RECONCILES_A_SECOND, Replays
from mediaimport_operator.settings.events import EventSettings

from tests.support.endpoints import answer, receiving
from tests.support.notifying_operator import NOW, endpoint, notified
from tests.support.operator_fakes import FakeCluster
from tests.support.user_endpoints import USERS_OWN, failed, import_of, made, record, start, told
from tests.support.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.endpoints import Receiver

pytestmark = pytest.mark.anyio
ASKED = NOW + timedelta(minutes=10)


def replaying(receiver: Receiver, *, since: timedelta = timedelta(), at: timedelta = timedelta(minutes=10)) -> Object:
    """The record of an endpoint that is to be told again, of what happened since so long after NOW."""
    return record("ada", made(receiver, "ada", replay=Replay(since=NOW + since, at=NOW + at)))


def films(receiver: Receiver) -> list[str]:
    return [json.loads(body)["data"].get("import_job_id", "") for _, body in receiver.events]


async def test_replay_tells_again_of_what_happened_since_with_the_same_ids(cluster: FakeCluster) -> None:
    async with receiving() as receiver, receiving() as other, receiving() as installed:
        cluster.put_record(record("ada", made(receiver, "ada"), made(other, "other")))
        operator = await start(cluster, endpoint(installed))
        async with operator.notifying():
            before = await import_of(operator, "before", "ada")
            operator.now = NOW + timedelta(minutes=5)
            await import_of(operator, "since", "ada")
            for each in ("before", "since"):
                await operator.until("Notified", each)
            first = dict(zip(films(receiver), receiver.ids, strict=True))
            operator.now = ASKED
            asked = Replay(since=NOW + timedelta(minutes=3), at=ASKED)
            cluster.put_record(record("ada", made(receiver, "ada", replay=asked), made(other, "other")))
            async with asyncio.timeout(60):
                while len(receiver.events) < 3:
                    await operator.settle()
                    await asyncio.sleep(0.01)
            await operator.until("Notified", "since")
            # A reconcile for another reason decides so, too.
            operator.context.queue.add(before)
            await operator.settle()
            await operator.until("Notified", "before")
        assert films(receiver) == ["before", "since", "since"]
        assert receiver.ids[-1] == first["since"], "a receiver that has it drops the double"
        assert (len(other.events), len(installed.events)) == (2, 2), "nobody else is told again"
        shown = cluster.objects["imports"]["since"]["status"]["notification"]["deliveries"]
        assert sorted(each["endpoint"] for each in shown) == ["crm", "we_ada", "we_other"]
        condition = notified(cluster, "since")
        assert condition is not None
        assert condition["message"].startswith("asset.ready: accepted by")


async def test_next_operator_goes_on_with_a_replay(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(record("ada", made(receiver, "ada")))
        operator = await start(cluster)
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            await operator.until("Notified")
        cluster.put_record(replaying(receiver))
        operator = await start(cluster)
        operator.now = ASKED
        async with operator.notifying(), asyncio.timeout(60):
            while len(receiver.events) < 2:
                await operator.settle()
                await asyncio.sleep(0.01)
            await operator.until("Notified")
        operator = await start(cluster)
        operator.now = ASKED + timedelta(minutes=1)
        async with operator.notifying():
            await operator.settle()
            await asyncio.sleep(0.1)
            await operator.settle()
        assert len(receiver.events) == 2, "once for each replay"


async def test_replay_tells_again_of_failed_predictions(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(failed("p1", "ada"))
        cluster.put_record(failed("p2", "grace"))
        cluster.put_record(record("ada", made(receiver, "ada")))
        operator = await start(cluster)
        async with operator.notifying():
            await receiver.until(1)
            operator.now = ASKED
            cluster.put_record(replaying(receiver))
            await receiver.until(2)
        assert told(receiver) == [("prediction.failed", "ada")] * 2
        assert len(set(receiver.ids)) == 1


async def test_new_endpoint_is_told_by_a_replay_of_what_happened_before_it(cluster: FakeCluster) -> None:
    async with receiving() as receiver, receiving() as installed:
        operator = await start(cluster, endpoint(installed))
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            await operator.until("Notified")
            operator.now = ASKED
            late = made(receiver, "ada", created_at=ASKED, replay=Replay(since=NOW, at=ASKED))
            cluster.put_record(record("ada", late))
            async with asyncio.timeout(60):
                while not receiver.events:
                    await operator.settle()
                    await asyncio.sleep(0.01)
        assert films(receiver) == ["film"]


async def test_replay_tries_at_once_what_waits_for_its_next_try(cluster: FakeCluster) -> None:
    async with receiving(answer("500 Oops")) as receiver:
        cluster.put_record(record("ada", made(receiver, "ada")))
        operator = await start(cluster)
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            async with asyncio.timeout(60):
                while not operator.count("failed", USERS):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)
            receiver.answer = answer("204 No Content")
            # The next try would be half a minute after the event.
            operator.now = NOW + timedelta(seconds=10)
            cluster.put_record(replaying(receiver, at=timedelta(seconds=10)))
            await operator.until("Notified")
        assert films(receiver) == ["film", "film"]


async def test_replay_is_given_up_a_day_after_it_was_asked_for(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(record("ada", made(receiver, "ada")))
        operator = await start(cluster)
        uid = await import_of(operator, "film", "ada")
        async with operator.notifying():
            await operator.until("Notified")
        cluster.put_record(replaying(receiver))
        operator = await start(cluster)
        operator.now = ASKED + timedelta(hours=26)
        operator.context.queue.add(uid)
        await operator.settle()
        condition = notified(cluster)
        assert condition is not None
        assert condition["reason"] == "NotificationGivenUp"
        (delivery,) = cluster.objects["imports"]["film"]["status"]["notification"]["deliveries"]
        assert delivery["outcome"] == "GivenUp"


def test_large_replay_leaves_room_for_imports() -> None:
    imports = [
        {
            "metadata": {"uid": str(number)},
            "spec": {"userId": "ada"},
            "status": {"notification": {"at": f"{NOW:%FT%TZ}"}},
        }
        for number in range(3 * RECONCILES_A_SECOND)
    ]
    reconciled: list[str] = []

    async def scenario() -> list[int]:
        endpoints = Endpoints(EventSettings(users_own=USERS_OWN))
        replays = Replays(endpoints, lambda: imports, clock=lambda: ASKED, reconcile=reconciled.append)
        cluster = FakeCluster()
        async with receiving() as receiver:
            endpoints.put(cluster.put_record(replaying(receiver)))
        task = asyncio.create_task(replays.run())
        counts = []
        for _ in range(3):
            await asyncio.sleep(0.5)
            counts.append(len(reconciled))
            await asyncio.sleep(0.5)
        task.cancel()
        return counts

    assert in_virtual_time(scenario()) == [RECONCILES_A_SECOND * each for each in (1, 2, 3)]
    assert len(set(reconciled)) == len(imports)
