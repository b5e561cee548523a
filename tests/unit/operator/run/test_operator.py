"""The whole operator over an API server in memory, without kopf."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.run import kopf_app
from mediaimport_operator.run.operator import Operator
from mediaimport_runtime.kubernetes.clock import Clock

from tests.support.operator_fakes import as_cluster

if TYPE_CHECKING:
    from tests.support.operator_fakes import Build, FakeCluster

pytestmark = pytest.mark.anyio


@pytest.fixture
def operator(build: Build, cluster: FakeCluster) -> Operator:
    context = Context.create(build.settings(), as_cluster(cluster), clock=lambda: build.now)
    return Operator(context, Clock(), as_cluster(cluster))


def gauge(operator: Operator, name: str) -> float | None:
    value: float | None = operator.context.metrics.registry.get_sample_value(f"mediaimport_operator_{name}")
    return value


async def test_operator_reconciles_what_exists_and_releases_the_lease(
    build: Build, cluster: FakeCluster, operator: Operator
) -> None:
    cluster.put("imports", build.mediaimport())

    await operator.start()
    (job,) = cluster.objects["jobs"].values()
    (lease,) = cluster.objects["leases"].values()
    assert job["metadata"]["labels"]["mediaimport.dev/uid"] == build.uid
    assert lease["spec"]["holderIdentity"] == build.settings().pod_uid
    assert [gauge(operator, each) for each in ("lease_held", "slots_held", "workqueue_depth")] == [1, 1, 0]
    assert (operator.unhealthy_reason(), operator.not_ready_reason()) == (None, None)

    await operator.stop()
    assert operator.not_ready_reason() == "the operator stops"
    assert cluster.objects["leases"].popitem()[1]["spec"]["holderIdentity"] == ""
    assert operator.stopped.is_set()


async def test_operator_without_the_lease_reconciles_nothing(
    build: Build, cluster: FakeCluster, operator: Operator
) -> None:
    cluster.put("imports", build.mediaimport())
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T12:00:00Z"}
    cluster.put("leases", {"metadata": {"name": "mediaimport-operator"}, "spec": spec})

    started = asyncio.create_task(operator.start())
    done, _ = await asyncio.wait([started], timeout=0.2)
    assert (done, cluster.objects["jobs"], gauge(operator, "lease_held")) == (set(), {}, 0)
    assert operator.unhealthy_reason() is None
    assert operator.not_ready_reason() == "the operator does not hold the Lease"

    started.cancel()
    await operator.stop()


async def test_error_outside_a_reconcile_ends_the_operator(
    build: Build, cluster: FakeCluster, operator: Operator
) -> None:
    cluster.put("imports", build.mediaimport())
    cluster.pods = None  # type: ignore[method-assign,assignment] # any bug of ours

    await operator.start()

    assert isinstance(operator.failure, BaseException)
    assert operator.stopped.is_set()
    assert "failed" in str(operator.unhealthy_reason())
    assert operator.not_ready_reason() == "the operator stops"
    await operator.stop()


async def test_kopf_gets_handlers_for_each_kind(build: Build, operator: Operator) -> None:
    options = kopf_app.kopf_settings(build.settings())
    handlers = kopf_app.registry(
        context=operator.context,
        options=options,
        silence=operator.silence,
        start=operator.start,
        stop=operator.stop,
    )

    watched = {str(each.id) for each in handlers._watching.get_all_handlers()}
    assert watched == {"mediaimports-changed", "jobs-changed", "pods-changed"}


async def test_task_of_kopf_that_fails_is_unhealthy_at_once_and_named(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> None:
        raise ZeroDivisionError("GET /apis")

    task = asyncio.create_task(failing())
    task.add_done_callback(operator.kopf_task_ended)
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert operator.unhealthy_reason() == "the operator has failed (ZeroDivisionError); see its log"
    assert operator.not_ready_reason() == "the operator stops"
    assert [vars(each)["error"] for each in caplog.records] == ["ZeroDivisionError: GET /apis"]


async def test_task_of_kopf_that_is_cancelled_is_no_failure(operator: Operator) -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    task.add_done_callback(operator.kopf_task_ended)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert operator.unhealthy_reason() is None
