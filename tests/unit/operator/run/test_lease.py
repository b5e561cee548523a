from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.run.lease import Lease, ObservedLease, lease_name, observe

from tests.support.operator_fakes import as_cluster

if TYPE_CHECKING:
    from tests.support.operator_fakes import FakeCluster

pytestmark = pytest.mark.anyio


def lease(cluster: FakeCluster, identity: str) -> Lease:
    return Lease(as_cluster(cluster), namespace="media", name="mediaimport-x", identity=identity)


def holder(cluster: FakeCluster) -> str:
    spec = cluster.objects["leases"]["mediaimport-x"]["spec"]
    return str(spec["holderIdentity"])


async def test_free_lease_is_acquired(cluster: FakeCluster) -> None:
    ours = lease(cluster, "a")
    await ours.acquire()
    assert (holder(cluster), ours.held.is_set()) == ("a", True)


async def test_a_second_operator_waits(cluster: FakeCluster) -> None:
    await lease(cluster, "a").acquire()
    second = asyncio.create_task(lease(cluster, "b").acquire())
    done, _ = await asyncio.wait([second], timeout=0.05)
    assert (done, holder(cluster)) == (set(), "a")
    second.cancel()


async def test_released_lease_is_acquired_at_once_by_the_next_operator(cluster: FakeCluster) -> None:
    first = lease(cluster, "a")
    await first.acquire()
    await first.release()
    assert (holder(cluster), first.held.is_set()) == ("", False)
    await asyncio.wait_for(lease(cluster, "b").acquire(), 1)
    assert holder(cluster) == "b"


async def test_cancelled_renewal_does_not_prevent_the_release(cluster: FakeCluster) -> None:
    ours = lease(cluster, "a")
    await ours.acquire()
    await lease(cluster, "a").acquire()  # written under our name, without an answer to us
    await ours.release()
    assert holder(cluster) == ""


async def test_restarted_container_acquires_its_own_lease_at_once(cluster: FakeCluster) -> None:
    await lease(cluster, "a").acquire()
    await asyncio.wait_for(lease(cluster, "a").acquire(), 1)


async def test_release_leaves_a_successors_lease_alone(cluster: FakeCluster) -> None:
    first = lease(cluster, "a")
    await first.acquire()
    cluster.objects["leases"].clear()
    await lease(cluster, "b").acquire()
    await first.release()
    assert holder(cluster) == "b"


def observed(holder: str, renewed: str, at_s: float) -> ObservedLease:
    return ObservedLease(holder=holder, renewed=renewed, duration_s=15, observed_at_s=at_s)


async def test_lease_expires_by_our_own_clock() -> None:
    last = observed("a", "any time at all", 100)
    assert not last.available_to("b", now_s=115)
    assert last.available_to("b", now_s=115.1)
    assert last.available_to("a", now_s=100)


async def test_empty_lease_is_free() -> None:
    assert observe({"metadata": {}}, now_s=0).available_to("a", now_s=0)


@pytest.mark.parametrize(("instance", "name"), [("media.Prod_1", "media-prod-1-operator"), ("x", "x-operator")])
async def test_lease_name_is_valid(instance: str, name: str) -> None:
    assert lease_name(instance) == name
