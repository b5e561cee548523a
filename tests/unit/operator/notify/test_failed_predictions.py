"""`prediction.failed` from the webhook's record to an endpoint on loopback, over an API server in memory."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.event_records import FAILED_PREDICTION, FailedPrediction
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_operator.notify.endpoints import Endpoints
from mediaimport_operator.notify.failed_predictions import FailedPredictions
from mediaimport_operator.notify.notifier import Notifier
from mediaimport_operator.notify.outbox import Outbox
from mediaimport_operator.notify.poster import Poster
from mediaimport_operator.notify.records import RecordWatch
from mediaimport_operator.settings.events import Endpoint, EventSettings

from tests.support.endpoints import KEY, answer, receiving
from tests.support.operator_fakes import as_cluster, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.endpoints import Receiver
    from tests.support.operator_fakes import FakeCluster

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC).replace(microsecond=0)
LOOPBACK = SourcePolicy((ip_network("127.0.0.0/8"),))


def record(prediction: str = "p1", *, user: str = "ada", at: datetime = NOW) -> Object:
    failed = FailedPrediction(
        provider="replicate",
        prediction=prediction,
        user=user,
        state="canceled",
        reason="PredictionNotSucceeded",
        at=at,
    )
    return {
        "metadata": {
            "name": f"failed-prediction-{prediction}",
            "namespace": "media",
            "labels": {"mediaimport.dev/record": FAILED_PREDICTION},
            "annotations": {"mediaimport.dev/record": json.dumps(failed.to_wire())},
        }
    }


class Operator:
    """Operator that tells of failed predictions. Its successor knows no more than the cluster."""

    def __init__(self, cluster: FakeCluster, *endpoints: Endpoint, now: datetime = NOW) -> None:
        self.cluster = cluster
        self.uids: list[str] = []
        known = Endpoints(EventSettings(endpoints, LOOPBACK))
        self.outbox = Outbox(known, clock=lambda: now, on_delivery=self.uids.append)
        self.predictions = FailedPredictions(as_cluster(cluster), "media", self.outbox, known)
        self.notifier = Notifier(self.outbox, Poster(LOOPBACK), clock=lambda: now)
        self.records = RecordWatch(as_cluster(cluster), "media", FAILED_PREDICTION, self.predictions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each.run()) for each in (self.notifier, self.predictions, self.records)]
        try:
            yield
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def endpoint(receiver: Receiver, name: str = "crm", **fields: Any) -> Endpoint:  # noqa: ANN401 - any field
    return Endpoint(name, f"http://127.0.0.1:{receiver.port}/", (KEY,), **fields)


def deliveries(cluster: FakeCluster, prediction: str = "p1") -> list[dict[str, Any]]:
    about = cluster.objects["leases"][f"failed-prediction-{prediction}"]["metadata"]["annotations"]
    told: list[dict[str, Any]] = json.loads(about.get("mediaimport.dev/deliveries", "{}")).get("deliveries", [])
    return told


async def until_recorded(cluster: FakeCluster, number: int = 1, prediction: str = "p1") -> None:
    async with asyncio.timeout(60):
        while len(deliveries(cluster, prediction)) < number:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


async def test_failed_prediction_is_told_once_and_recorded(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(record("p1"))
        operator = Operator(cluster, endpoint(receiver))
        async with operator.running():
            await until_recorded(cluster)
            cluster.put_record(record("p2"))
            await until_recorded(cluster, prediction="p2")
        receiver.verify()
        (_, body), _ = receiver.events
        assert json.loads(body) == {
            "type": "prediction.failed",
            "timestamp": text(NOW),
            "data": {
                "id": "p1",
                "user_id": "ada",
                "status": "failed",
                "job_id": "p1",
                "provider": "replicate",
                "provider_status": "canceled",
                "reason": "PredictionNotSucceeded",
            },
        }
        assert deliveries(cluster) == [{"endpoint": "crm", "outcome": "Delivered", "at": text(NOW), "httpStatus": 204}]
        assert len(set(receiver.ids)) == 2
        assert operator.uids == [], "no import is reconciled for it"
        async with Operator(cluster, endpoint(receiver)).running():
            cluster.put_record(record("p3"))
            await until_recorded(cluster, prediction="p3")
        assert len(receiver.events) == 3, "the next operator tells nothing twice"


async def test_operator_killed_between_post_and_patch_repeats_with_the_same_id(cluster: FakeCluster) -> None:
    async def hold(_: Receiver, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with receiving(hold) as receiver:
        cluster.put_record(record())
        for tries in range(1, 6):
            async with Operator(cluster, endpoint(receiver)).running():
                await receiver.until(tries)
        receiver.answer = answer("200 OK")
        async with Operator(cluster, endpoint(receiver)).running():
            await until_recorded(cluster)
        assert (len(receiver.events), len(set(receiver.ids))) == (6, 1)
        assert len({body for _, body in receiver.events}) == 1


async def test_delivery_is_recorded_once_the_api_server_is_back(cluster: FakeCluster) -> None:
    async with receiving() as receiver:

        async def down(_: Receiver, writer: asyncio.StreamWriter) -> None:
            cluster.down = True
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

        receiver.answer = down
        cluster.put_record(record())
        async with Operator(cluster, endpoint(receiver)).running():
            await receiver.until(1)
            async with asyncio.timeout(60):
                await cluster.refused_while_down.wait()
            cluster.down = False
            await until_recorded(cluster)
        assert len(receiver.events) == 1


async def test_endpoint_is_told_of_its_users_and_types_only(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(record("p1", user="ada"))
        cluster.put_record(record("p2", user="grace"))
        chosen = (
            endpoint(receiver, "all"),
            endpoint(receiver, "graces", users=frozenset({"grace"})),
            endpoint(receiver, "assets", types=frozenset({"asset.failed"})),
        )
        async with Operator(cluster, *chosen).running():
            await until_recorded(cluster, 1, "p1")
            await until_recorded(cluster, 2, "p2")
        assert {each["endpoint"] for each in deliveries(cluster, "p1")} == {"all"}
        assert {each["endpoint"] for each in deliveries(cluster, "p2")} == {"all", "graces"}
        assert len(set(receiver.ids)) == 3, "each endpoint has an id of its own"


async def test_failure_of_more_than_a_day_ago_is_not_told(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(record("p1", at=NOW - timedelta(hours=26)))
        cluster.put_record(record("p2"))
        async with Operator(cluster, endpoint(receiver)).running():
            await until_recorded(cluster, prediction="p2")
        assert [json.loads(body)["data"]["id"] for _, body in receiver.events] == ["p2"]


async def test_record_that_goes_or_cannot_be_read_holds_up_no_other(cluster: FakeCluster) -> None:
    async with receiving(answer("500 Oops")) as receiver:
        broken = record("p0")
        broken["metadata"]["annotations"] = {"mediaimport.dev/record": "{"}
        cluster.put_record(broken)
        cluster.put_record(record("p1"))
        operator = Operator(cluster, endpoint(receiver))
        async with operator.running():
            await receiver.until(1)
            cluster.remove_record("failed-prediction-p1")
            async with asyncio.timeout(60):
                while operator.predictions._records:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)
        assert operator.outbox.queues["crm"].oldest_age_s() == 0
        assert not operator.outbox.queues["crm"]._messages
