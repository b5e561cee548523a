"""Events from the resource to an endpoint on loopback, over an API server in memory."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from mediaimport_api.names import STORED_OBJECTS_FINALIZER

from tests.support.endpoints import KEY, OTHER_KEY, answer, receiving
from tests.support.notifying_operator import NOW, Operator, endpoint, import_all, notified
from tests.support.operator_fakes import Build, text

if TYPE_CHECKING:
    from tests.support.endpoints import Receiver
    from tests.support.operator_fakes import FakeCluster

pytestmark = pytest.mark.anyio


@pytest.fixture
def build() -> Build:
    return Build(now=NOW)


async def test_ready_import_is_told_with_a_signature_and_a_thin_body(cluster: FakeCluster, build: Build) -> None:
    async with receiving() as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        await import_all(operator, source={"url": "https://source.example/v.mp4?signature=secret"}, name="v.mp4")
        pending = notified(cluster)
        assert pending is not None
        assert (pending["status"], pending["reason"]) == ("False", "NotificationPending")
        async with operator.notifying():
            await operator.until("Notified")
        receiver.verify()
        ((headers, body),) = receiver.events
        assert json.loads(body) == {
            "type": "asset.ready",
            "timestamp": text(NOW),
            "data": {
                "id": str(UUID(int=1)),
                "user_id": "ada",
                "status": "ready",
                "import_job_id": "film",
                "name": "v.mp4",
                "reason": "Imported",
            },
        }
        assert "secret" not in f"{headers}{body}"
        assert (operator.count("delivered"), operator.count("failed")) == (1, None)
        writes = len(cluster.writes)
        await operator.resync.once()
        operator.context.queue.add(str(UUID(int=1)))
        await operator.settle()
        assert len(cluster.writes) == writes, "told once, and written once"


async def test_failed_import_is_told(cluster: FakeCluster, build: Build) -> None:
    async with receiving() as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        cluster.put("imports", build.mediaimport(metadata={"deep": "x" * 9000}))
        await operator.resync.first()
        await operator.settle()
        async with operator.notifying():
            await operator.until("Notified")
        ((_, body),) = receiver.events
        event = json.loads(body)
        assert (event["type"], event["data"]["status"], event["data"]["reason"]) == (
            "asset.failed",
            "failed",
            "SpecInvalid",
        )


async def test_two_keys_make_two_signatures(cluster: FakeCluster, build: Build) -> None:
    async with receiving() as receiver:
        operator = Operator(cluster, (endpoint(receiver, keys=(KEY, OTHER_KEY)),), build)
        await import_all(operator)
        async with operator.notifying():
            await operator.until("Notified")
        receiver.verify(KEY)
        receiver.verify(OTHER_KEY)


async def test_operator_killed_between_post_and_patch_loses_nothing(cluster: FakeCluster, build: Build) -> None:
    films = ("one", "two", "three")

    async def hold(_: Receiver, __: asyncio.StreamWriter) -> None:
        """The POST has come whole; the operator dies before it has its answer."""
        await asyncio.Event().wait()

    async with receiving(hold) as receiver:
        await import_all(Operator(cluster, (endpoint(receiver),), build), *films)
        # Soon they are deleted: only the resources bring a new operator to the events.
        cluster.objects["jobs"].clear()
        cluster.objects["pods"].clear()
        for _ in range(20):
            operator = Operator(cluster, (endpoint(receiver),), build)
            await operator.resync.first()
            await operator.settle()
            before = len(receiver.events)
            async with operator.notifying():
                await receiver.until(before + len(films))
        receiver.answer = answer("200 OK")
        operator = Operator(cluster, (endpoint(receiver),), build)
        await operator.resync.first()
        await operator.settle()
        async with operator.notifying():
            for each in films:
                await operator.until("Notified", each)
        receiver.verify()
        about = {json.loads(body)["data"]["import_job_id"] for _, body in receiver.events}
        assert (about, len(receiver.events)) == (set(films), 21 * len(films))
        assert len(set(receiver.ids)) == len(films), "doubles carry one id"
        assert len({(headers["webhook-id"], body) for headers, body in receiver.events}) == len(films)


async def test_two_operators_by_mistake_send_doubles_with_one_id(cluster: FakeCluster, build: Build) -> None:
    films = ("one", "two", "three")

    async def hold(_: Receiver, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with receiving(hold) as receiver:
        both = [Operator(cluster, (endpoint(receiver),), build) for _ in range(2)]
        await import_all(both[0], *films)
        await both[1].resync.first()
        await both[1].settle()
        async with both[0].notifying(), both[1].notifying():
            await receiver.until(2 * len(films))
        assert len(receiver.events) == 2 * len(films)
        assert len({(headers["webhook-id"], body) for headers, body in receiver.events}) == len(films)


async def test_slow_endpoint_delays_no_other(cluster: FakeCluster, build: Build) -> None:
    async def never(_: Receiver, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with receiving(never) as slow, receiving() as quick:
        operator = Operator(cluster, (endpoint(slow, "slow"), endpoint(quick, "quick")), build)
        films = tuple(f"film{number}" for number in range(12))
        await import_all(operator, *films)
        async with operator.notifying():
            await quick.until(len(films))
            await slow.until(4)
            await operator.settle()
        assert len(slow.events) == 4, "no more at a time"
        shown = cluster.objects["imports"]["film0"]["status"]["notification"]
        assert [each["endpoint"] for each in shown["deliveries"]] == ["quick"]
        condition = notified(cluster, "film0")
        assert condition is not None
        assert condition["message"] == "asset.ready: waits for slow; accepted by quick"


async def test_endpoint_that_is_gone_is_given_up_at_once_with_an_event(cluster: FakeCluster, build: Build) -> None:
    async with receiving(answer("410 Gone")) as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        await import_all(operator)
        async with operator.notifying():
            await operator.until("NotificationGivenUp")
        assert len(receiver.events) == 1
        assert [each["reason"] for each in cluster.events] == ["Imported", "NotificationGivenUp"]
        assert operator.count("given_up") == 1


async def test_failed_tries_are_repeated_and_end_with_the_day(cluster: FakeCluster, build: Build) -> None:
    async with receiving(answer("500 Oops")) as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        await import_all(operator)
        for wait in (0, 30, 180, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600):
            operator.now = build.now + timedelta(seconds=wait)
            tries = len(receiver.events)
            async with operator.notifying():
                await receiver.until(tries + 1)
                await operator.until_counted(tries + 1)
        assert (operator.count("failed"), operator.count("given_up")) == (7, 1)
        await operator.until("NotificationGivenUp")
        assert len(set(receiver.ids)) == 1
        assert len({headers["webhook-timestamp"] for headers, _ in receiver.events}) == 8


async def test_what_ended_more_than_a_day_ago_is_not_told(cluster: FakeCluster, build: Build) -> None:
    async with receiving() as receiver:
        await import_all(Operator(cluster, (endpoint(receiver),), build))
        operator = Operator(cluster, (endpoint(receiver),), build)
        operator.now = build.now + timedelta(hours=26)
        await operator.resync.first()
        async with operator.notifying():
            await operator.until("NotificationGivenUp")
        assert receiver.events == []


async def test_what_was_imported_before_there_were_endpoints_is_not_told(cluster: FakeCluster, build: Build) -> None:
    await import_all(Operator(cluster, (), build))
    assert "notification" not in cluster.objects["imports"]["film"]["status"]
    assert notified(cluster) is None
    writes = list(cluster.writes)
    async with receiving() as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        await operator.resync.first()
        await operator.settle()
        assert [queue.oldest_age_s() for queue in operator.context.outbox.queues.values()] == [0]
        assert not operator.context.outbox.queues["crm"]._messages
        assert cluster.writes == writes


@pytest.mark.parametrize(
    "changes",
    [{"users": frozenset({"grace"})}, {"types": frozenset({"asset.failed", "asset.deleted", "prediction.failed"})}],
)
async def test_endpoint_is_told_of_its_users_and_types_only(
    cluster: FakeCluster, build: Build, changes: dict[str, Any]
) -> None:
    async with receiving() as receiver:
        await import_all(Operator(cluster, (endpoint(receiver, **changes),), build))
        assert notified(cluster) is None


async def test_new_run_is_told_under_another_id(cluster: FakeCluster, build: Build) -> None:
    async with receiving() as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        cluster.put("imports", build.mediaimport(metadata={"deep": "x" * 9000}))
        await operator.resync.first()
        await operator.settle()
        async with operator.notifying():
            await operator.until("Notified")
            item = cluster.objects["imports"]["film"]
            item["spec"]["run"] = "again"
            operator.context.cache.imports.update(cluster.put("imports", item))
            operator.context.queue.add(build.uid)
            await operator.settle()
            await receiver.until(2)
            await operator.until("Notified")
        assert len(set(receiver.ids)) == 2


async def test_retry_after_pauses_the_endpoint(cluster: FakeCluster, build: Build) -> None:
    async with receiving(answer("429 Too Many Requests", "retry-after: 86399")) as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        await import_all(operator)
        async with operator.notifying():
            await receiver.until(1)
            await operator.until_counted(1)
        queue = operator.context.outbox.queues["crm"]
        assert queue._wait_s() == 3600, "an hour at most"


async def test_deletion_waits_for_its_event_and_the_objects_are_gone_by_then(
    cluster: FakeCluster, build: Build
) -> None:
    async with receiving() as receiver:
        operator = Operator(cluster, (endpoint(receiver),), build)
        meta = {"finalizers": [STORED_OBJECTS_FINALIZER], "deletionTimestamp": text(NOW - timedelta(seconds=30))}
        cluster.put("imports", build.mediaimport(deletionPolicy="Delete", meta=meta))
        await operator.resync.first()
        await operator.settle()
        assert "notification" not in cluster.objects["imports"]["film"]["status"], "nothing is deleted yet"
        (job,) = cluster.objects["jobs"].values()
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": text(NOW)}
        operator.context.queue.add(build.uid)
        await operator.settle()
        assert cluster.objects["imports"]["film"]["status"]["notification"]["event"] == "Deleted"
        assert operator.context.slots.in_flight == 0, "it waits without a slot"
        async with operator.notifying():
            async with asyncio.timeout(60):
                while "film" in cluster.objects["imports"]:
                    await operator.settle()
                    await asyncio.sleep(0.01)
        ((_, body),) = receiver.events
        event = json.loads(body)
        assert (event["type"], event["data"]["status"], event["data"]["id"]) == ("asset.deleted", "deleted", build.uid)
        assert "reason" not in event["data"]
