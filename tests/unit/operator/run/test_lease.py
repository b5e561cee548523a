from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.run.lease import Lease, Sighting, lease_name, sighting

if TYPE_CHECKING:
    from tests.unit.operator.conftest import FakeCluster

pytestmark = pytest.mark.anyio


def lease(cluster: FakeCluster, identity: str) -> Lease:
    return Lease(cluster, namespace="media", name="mediaimport-x", identity=identity)


def holder(cluster: FakeCluster) -> str:
    spec = cluster.objects["leases"]["mediaimport-x"]["spec"]
    return str(spec["holderIdentity"])


async def test_a_free_lease_is_taken(cluster: FakeCluster) -> None:
    ours = lease(cluster, "a")
    await ours.acquire()
    assert (holder(cluster), ours.held.is_set()) == ("a", True)


async def test_a_second_operator_waits(cluster: FakeCluster) -> None:
    await lease(cluster, "a").acquire()
    second = asyncio.create_task(lease(cluster, "b").acquire())
    done, _ = await asyncio.wait([second], timeout=0.05)
    assert (done, holder(cluster)) == (set(), "a")
    second.cancel()


async def test_a_released_lease_goes_to_the_next_at_once(cluster: FakeCluster) -> None:
    first = lease(cluster, "a")
    await first.acquire()
    await first.release()
    assert (holder(cluster), first.held.is_set()) == ("", False)
    await asyncio.wait_for(lease(cluster, "b").acquire(), 1)
    assert holder(cluster) == "b"


async def test_a_renewal_that_was_broken_off_does_not_keep_the_lease_from_being_released(cluster: FakeCluster) -> None:
    ours = lease(cluster, "a")
    await ours.acquire()
    await lease(cluster, "a").acquire()  # written under our name, and we were not told
    await ours.release()
    assert holder(cluster) == ""


async def test_a_restarted_container_takes_its_own_lease_back(cluster: FakeCluster) -> None:
    await lease(cluster, "a").acquire()
    await asyncio.wait_for(lease(cluster, "a").acquire(), 1)


async def test_releasing_takes_nothing_from_a_successor(cluster: FakeCluster) -> None:
    first = lease(cluster, "a")
    await first.acquire()
    cluster.objects["leases"].clear()
    await lease(cluster, "b").acquire()
    await first.release()
    assert holder(cluster) == "b"


def seen(holder: str, renewed: str, at_s: float) -> Sighting:
    return Sighting(holder=holder, renewed=renewed, duration_s=15, seen_at_s=at_s)


async def test_a_holder_is_given_its_time_by_our_own_clock() -> None:
    last = seen("a", "any time at all", 100)
    assert not last.free_for("b", now_s=115)
    assert last.free_for("b", now_s=115.1)
    assert last.free_for("a", now_s=100)


async def test_a_lease_that_says_nothing_is_free() -> None:
    assert sighting({"metadata": {}}, now_s=0).free_for("a", now_s=0)


@pytest.mark.parametrize(("instance", "name"), [("media.Prod_1", "media-prod-1-operator"), ("x", "x-operator")])
async def test_the_name_is_one_that_kubernetes_takes(instance: str, name: str) -> None:
    assert lease_name(instance) == name
