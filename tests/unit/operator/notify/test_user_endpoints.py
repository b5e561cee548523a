"""Endpoints that users have made: they are told of their user's events alone, and hold up nobody."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Self

import pytest
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.status import MAX_ENDPOINTS
from mediaimport_operator.notify.notifier import USERS, Notifier
from mediaimport_operator.notify.poster import Poster
from mediaimport_operator.settings.events import UserEndpointSettings
from mediaimport_runtime.kubernetes.errors import ForbiddenError
from mediaimport_runtime.master_keys import MasterKeys

from tests.support.endpoints import answer, receiving
from tests.support.notifying_operator import LOOPBACK, NOW, Operator, endpoint, notified
from tests.support.operator_fakes import FakeCluster
from tests.support.user_endpoints import MASTER, failed, import_of, made, record, start, told, until_known
from tests.support.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.endpoints import Receiver

pytestmark = pytest.mark.anyio


async def test_endpoint_is_told_of_its_users_events_alone_and_signed_by_its_own_key(cluster: FakeCluster) -> None:
    async with receiving() as adas, receiving() as graces, receiving() as installed:
        cluster.put_record(record("ada", made(adas, "ada")))
        cluster.put_record(record("grace", made(graces, "grace")))
        operator = await start(cluster, endpoint(installed))
        await import_of(operator, "film", "ada")
        cluster.put_record(failed("p1", "grace"))
        async with operator.notifying():
            await operator.until("Notified")
            await graces.until(1)
            await installed.until(2)
            async with asyncio.timeout(60):
                while set(operator.context.outbox.queues) != {"crm"}:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)
        assert told(adas) == [("asset.ready", "ada")]
        assert told(graces) == [("prediction.failed", "grace")]
        assert sorted(told(installed)) == [("asset.ready", "ada"), ("prediction.failed", "grace")]
        adas.verify(MASTER.signing_key("we_ada", 1))
        graces.verify(MASTER.signing_key("we_grace", 1))
        shown = cluster.objects["imports"]["film"]["status"]["notification"]["deliveries"]
        assert {each["endpoint"] for each in shown} == {"crm", "we_ada"}
        assert operator.count("delivered", USERS) == 2


async def test_endpoint_that_is_made_while_the_operator_runs_is_told_of_what_follows(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        operator = await start(cluster)
        await import_of(operator, "before", "ada")
        async with operator.notifying():
            cluster.put_record(record("ada", made(receiver, "ada", types=("asset.ready",))))
            await until_known(operator, "we_ada")
            await import_of(operator, "after", "ada")
            cluster.put_record(failed("p1", "ada"))
            await operator.until("Notified", "after")
        assert told(receiver) == [("asset.ready", "ada")]
        assert notified(cluster, "before") is None


async def test_endpoint_is_not_told_of_assets_from_before_it_was_made(cluster: FakeCluster) -> None:
    async with receiving() as receiver, receiving() as installed:
        operator = await start(cluster, endpoint(installed))
        uid = await import_of(operator, "before", "ada")
        async with operator.notifying():
            await operator.until("Notified", "before")
            operator.now = NOW + timedelta(days=2)
            late = made(receiver, "ada").model_copy(update={"created_at": operator.now})
            cluster.put_record(record("ada", late))
            await until_known(operator, "we_ada")
            operator.context.queue.add(uid)
            await operator.settle()
        assert receiver.events == []
        condition = notified(cluster, "before")
        assert condition is not None
        assert (condition["reason"], condition["message"]) == ("Notified", "asset.ready: accepted by crm")


async def test_deleted_endpoint_is_told_nothing_more_and_nobody_waits_for_it(cluster: FakeCluster) -> None:
    async def never(_: Receiver, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with receiving(never) as receiver:
        cluster.put_record(record("ada", made(receiver, "ada")))
        operator = await start(cluster)
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            await receiver.until(1)
            cluster.put_record(record("ada"))
            await operator.until("Notified")
        condition = notified(cluster)
        assert condition is not None
        assert condition["message"] == "asset.ready: no endpoint wants it any more"
        assert operator.context.outbox.queues == {}


async def test_deleted_endpoint_is_told_nothing_more_while_another_still_waits(cluster: FakeCluster) -> None:
    async with receiving(answer("500 Oops")) as receiver:
        first, second = made(receiver, "first"), made(receiver, "second")
        cluster.put_record(record("ada", first, second))
        operator = await start(cluster)
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            await receiver.until(2)
            cluster.put_record(record("ada", second))
            await until_known(operator, "we_second")
            await operator.settle()
        assert set(operator.context.outbox.queues) == {"we_second"}


async def test_rotated_key_signs_next_to_the_former_one(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        both = MasterKeys((b"n" * 32, *MASTER.keys))
        cluster.put_record(record("ada", made(receiver, "ada", key_number=2)))
        operator = await start(cluster, users_own=UserEndpointSettings(both, LOOPBACK))
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            await operator.until("Notified")
        for master in (MASTER, both):
            for number in (1, 2):
                receiver.verify(master.signing_key("we_ada", number))


async def test_users_endpoint_may_not_be_where_the_installers_may(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(record("ada", made(receiver, "ada")))
        elsewhere = SourcePolicy((ip_network("10.0.0.0/8"),))
        operator = await start(cluster, endpoint(receiver), users_own=UserEndpointSettings(MASTER, elsewhere))
        await import_of(operator, "film", "ada")
        async with operator.notifying(), asyncio.timeout(60):
            while not operator.count("failed", USERS):
                await operator.settle()
                await asyncio.sleep(0.01)
            await receiver.until(1)
        assert len(receiver.events) == 1, "the installer's endpoint on loopback alone is told"


async def test_endpoints_that_can_be_told_are_as_many_as_the_status_records(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        installed = [endpoint(receiver, f"installed{number}") for number in range(8)]
        cluster.put_record(record("ada", *(made(receiver, str(number)) for number in range(5))))
        operator = await start(cluster, *installed)
        await import_of(operator, "film", "ada")
        async with operator.notifying():
            await operator.until("Notified")
        assert len(cluster.objects["imports"]["film"]["status"]["notification"]["deliveries"]) == MAX_ENDPOINTS
        assert len(set(receiver.ids)) == MAX_ENDPOINTS


async def test_next_operator_reads_the_endpoints_before_it_decides(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(failed("p1", "ada"))
        cluster.put_record(record("ada", made(receiver, "ada")))
        operator = await start(cluster)
        await import_of(operator, "film", "ada")
        for _ in range(3):
            operator = await start(cluster)
            await operator.settle()
            async with operator.notifying():
                await operator.until("Notified")
                await receiver.until(2)
        assert sorted(told(receiver)) == [("asset.ready", "ada"), ("prediction.failed", "ada")]


async def test_refused_records_hold_up_no_import(cluster: FakeCluster, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(*_: object) -> str:
        raise ForbiddenError("leases is forbidden")

    cluster.records = refuse  # type: ignore[method-assign,assignment]
    operator = await start(cluster)
    await import_of(operator, "film", "ada")
    assert cluster.objects["imports"]["film"]["status"]["phase"] == "Ready"
    assert "records cannot be read" in [each.message for each in caplog.records]


class Minutes:
    """Virtual minutes of an operator that tells endpoints of failed predictions."""

    def __init__(self, operator: Operator, *, max_to_users: int = 32) -> None:
        context, poster = operator.context, Poster(LOOPBACK)
        notifier = Notifier(context.outbox, poster, clock=context.clock, users_poster=poster, max_to_users=max_to_users)
        self._parts = (notifier, operator.notifications.failures, operator.notifications.predictions)
        self._operator = operator
        self._start_s = 0.0

    async def __aenter__(self) -> Self:
        self._start_s = asyncio.get_running_loop().time()
        self._tasks = [asyncio.create_task(each.run()) for each in self._parts]
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], bool], *, limit_s: float) -> float:
        """Let time pass until the condition holds, or the limit is reached; return the seconds since the start."""
        end_s = self.elapsed_s + limit_s
        while not holds() and self.elapsed_s < end_s:
            await asyncio.sleep(1)
            self._operator.now = NOW + timedelta(seconds=self.elapsed_s)
        return self.elapsed_s

    @property
    def elapsed_s(self) -> float:
        return asyncio.get_running_loop().time() - self._start_s


def test_endpoints_that_never_answer_take_no_others_place() -> None:
    async def never(_: Receiver, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def scenario() -> float:
        cluster = FakeCluster()
        async with receiving(never) as dead, receiving() as good:
            for number in range(40):
                cluster.put_record(record(f"user{number}", made(dead, f"dead{number}")))
                cluster.put_record(failed(f"p{number}", f"user{number}"))
            cluster.put_record(record("ada", made(good, "good")))
            async with Minutes(await start(cluster), max_to_users=2) as minutes:
                await dead.until(2)
                cluster.put_record(failed("late", "ada"))
                return await minutes.until(lambda: bool(good.events), limit_s=3600)

    # Forty dead endpoints are before it, each for ten seconds, two at a time; none of them comes twice before it.
    assert in_virtual_time(scenario()) <= 215


def test_endpoint_that_is_away_is_tried_less_often_and_told_of_all_once_it_is_back() -> None:
    async def scenario() -> None:
        cluster = FakeCluster()
        async with receiving(answer("500 Oops")) as receiver:
            cluster.put_record(record("ada", made(receiver, "ada")))
            for number in range(30):
                cluster.put_record(failed(f"p{number}", "ada"))
            async with Minutes(await start(cluster)) as minutes:
                await minutes.until(lambda: False, limit_s=120)
                # Without pauses, each of thirty is tried twice.
                assert 6 <= len(receiver.events) <= 30
                receiver.answer = answer("204 No Content")
                receiver.events.clear()
                await minutes.until(lambda: len(receiver.events) >= 30, limit_s=300)
            assert len(set(receiver.ids)) == len(receiver.events) == 30

    in_virtual_time(scenario())
