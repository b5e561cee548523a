"""Tests of users' endpoints: one try at once, and its outcome in the user's record."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.event_records import EndpointTest
from mediaimport_runtime.kubernetes.errors import UnavailableError

from tests.support.endpoints import answer, receiving
from tests.support.notifying_operator import NOW, Operator
from tests.support.user_endpoints import MASTER, made, record, start, until_known

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.endpoints import Receiver
    from tests.support.operator_fakes import FakeCluster

pytestmark = pytest.mark.anyio
RECORD = "mediaimport-endpoints-ada"
NOTE = "mediaimport.dev/deliveries"


def asked(receiver: Receiver, number: int, *, note: str = "") -> Object:
    """The record of an endpoint whose test of that number was asked for."""
    lease = record("ada", made(receiver, "ada", test=EndpointTest(number=number, at=NOW)))
    if note:
        lease["metadata"]["annotations"][NOTE] = note
    return lease


def noted(cluster: FakeCluster) -> str:
    """The operator's note, empty without one."""
    note: str = cluster.objects["leases"][RECORD]["metadata"]["annotations"].get(NOTE, "")
    return note


async def outcome(cluster: FakeCluster, number: int = 1) -> dict[str, Any]:
    """Return the outcome of the test of that number, once it is written down."""
    async with asyncio.timeout(60):
        while True:
            tests = json.loads(noted(cluster) or '{"tests": []}')["tests"]
            for each in tests:
                if each["number"] == number:
                    found: dict[str, Any] = each
                    return found
            await asyncio.sleep(0.01)


async def test_test_is_sent_at_once_signed_and_written_down(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(asked(receiver, 1))
        operator = await start(cluster)
        async with operator.notifying():
            shown = await outcome(cluster)
        receiver.verify(MASTER.signing_key("we_ada", 1))
        ((_, body),) = receiver.events
        event = json.loads(body)
        assert (event["type"], event["data"]) == ("webhook.test", {"id": "we_ada", "user_id": "ada", "status": "test"})
        delivery = shown["delivery"]
        assert (delivery["endpoint"], delivery["outcome"], delivery["httpStatus"]) == ("we_ada", "Delivered", 204)
        assert operator.context.outbox.queues == {}, "nothing is left of it"


async def test_each_number_is_sent_once_also_by_the_next_operator(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        cluster.put_record(asked(receiver, 1))
        for number in (1, 2, 2):
            cluster.put_record(asked(receiver, number, note=noted(cluster)))
            operator = await start(cluster)
            async with operator.notifying():
                await outcome(cluster, number)
        assert len(receiver.events) == len(set(receiver.ids)) == 2


@pytest.mark.parametrize(("status", "error"), [("500 Oops", "HTTP 500"), ("302 Found", "HTTP 302: redirects")])
async def test_test_in_vain_is_tried_once_and_says_why(cluster: FakeCluster, status: str, error: str) -> None:
    async with receiving(answer(status)) as receiver:
        cluster.put_record(asked(receiver, 1))
        operator = await start(cluster)
        async with operator.notifying():
            shown = await outcome(cluster)
        assert shown["delivery"]["outcome"] == "GivenUp"
        assert shown["error"].startswith(error)
        assert len(receiver.events) == 1


async def test_outcome_is_written_once_the_api_server_is_back(cluster: FakeCluster) -> None:
    patch, failures = cluster.patch_record, [UnavailableError("down")]

    async def fail_first(namespace: str, name: str, body: Object) -> Object:
        if failures:
            raise failures.pop()
        return await patch(namespace, name, body)

    cluster.patch_record = fail_first  # type: ignore[method-assign,assignment]
    async with receiving() as receiver:
        cluster.put_record(asked(receiver, 1))
        operator = await start(cluster)
        async with operator.notifying():
            await outcome(cluster)
        assert (len(receiver.events), failures) == (1, [])


async def test_outcome_of_another_endpoint_stays_and_that_of_a_deleted_one_goes(cluster: FakeCluster) -> None:
    async with receiving() as receiver:
        first, second = (made(receiver, each, test=EndpointTest(number=1, at=NOW)) for each in ("first", "second"))
        cluster.put_record(record("ada", first, second))
        operator: Operator = await start(cluster)
        async with operator.notifying():
            async with asyncio.timeout(60):
                while noted(cluster).count('"Delivered"') < 2:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)
            again = second.model_copy(update={"test": EndpointTest(number=2, at=NOW)})
            lease = record("ada", again)
            lease["metadata"]["annotations"][NOTE] = noted(cluster)
            cluster.put_record(lease)
            await until_known(operator, "we_second")
            await outcome(cluster, 2)
        assert "we_first" not in noted(cluster)
