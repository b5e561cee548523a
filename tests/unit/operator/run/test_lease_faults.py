"""The Lease over a faulty API server, in virtual time: never two leaders, and no leader that does not know."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_operator.cluster import Cluster
from mediaimport_operator.run.lease import LEASE_DURATION_S, REQUEST_TIMEOUT_S, Lease, LeaseLostError

from tests.support.fake_api.faults import Hang, answer
from tests.support.fake_api.server import FakeApi, html
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
LEASES = "/apis/coordination.k8s.io/v1/namespaces/media/leases"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi().serving() as serving:
        yield serving


@asynccontextmanager
async def electing(api: FakeApi, identity: str) -> AsyncIterator[Lease]:
    """A Lease of an operator, whose client waits as long as the runtime's does by default."""
    async with api.client(field_manager=identity) as client:
        yield Lease(Cluster(client), namespace="media", name="mediaimport-operator", identity=identity)


def holder(api: FakeApi) -> str:
    (lease,) = api.objects.of("leases")
    return str(lease["spec"]["holderIdentity"])


async def keeping(lease: Lease) -> asyncio.Task[None]:
    await lease.acquire()
    return asyncio.create_task(lease.keep())


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def moments(duration_s: float) -> AsyncIterator[float]:
    for moment in range(int(duration_s * 8)):
        await asyncio.sleep(0.125)
        yield moment / 8


async def lapse_s(lease: Lease) -> float:
    """Return the seconds until the Lease is no longer held."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.wait_for(lease.lapsed.wait(), 120)
    return loop.time() - begun


async def test_hung_renewals_end_the_leadership_before_another_may_take_over(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        fault, _ = api.hang(f"PUT {LEASES}")
        assert await lapse_s(lease) < LEASE_DURATION_S - 2
        assert fault.met.is_set()
        await ended(task)


async def test_no_two_operators_lead_at_a_time_when_a_renewal_hangs(api: FakeApi) -> None:
    async with electing(api, "a") as first, electing(api, "b") as second:
        task = await keeping(first)
        fault, _ = api.hang(f"PUT {LEASES}.*fieldManager=a$")
        taking = asyncio.create_task(second.acquire())
        both = [first.held.is_set() and second.held.is_set() async for _ in moments(60)]
        assert (any(both), fault.count > 0, taking.done()) == (False, True, True)
        await ended(taking)
        await ended(task)


@pytest.mark.parametrize("act", [answer(500, "{}"), html(200), html(502)], ids=["500", "page", "bad-gateway"])
async def test_leadership_lapses_while_the_api_server_is_away_and_returns_with_it(api: FakeApi, act: Any) -> None:  # noqa: ANN401
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        api.fault(LEASES, act)
        assert await lapse_s(lease) < LEASE_DURATION_S - 2
        assert not task.done(), "an API server that is away ends no operator"
        api.heal()
        await asyncio.wait_for(lease.held.wait(), 10)
        await ended(task)


async def test_renewed_lease_is_held_on(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        for _ in range(30):
            await asyncio.sleep(4)
            assert lease.held.is_set()
        await ended(task)


async def test_single_failure_ends_no_leadership(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        fault = api.fault(f"PUT {LEASES}", answer(503, "{}"), times=1)
        await asyncio.sleep(20)
        assert (fault.count, lease.held.is_set()) == (1, True)
        await ended(task)


async def test_single_renewal_that_hangs_ends_no_leadership(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        fault = api.fault(f"PUT {LEASES}", Hang(), times=1)
        held = [lease.held.is_set() async for _ in moments(20)]
        assert (fault.count, all(held)) == (1, True)
        await ended(task)


async def test_leadership_counts_from_the_request_of_a_renewal(api: FakeApi) -> None:
    loop = asyncio.get_running_loop()
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        slow, hang = api.hang(f"PUT {LEASES}", late=True)
        await slow.met.wait()
        asked_s = loop.time()
        await asyncio.sleep(2.5)
        api.faults.clear()
        api.hang(f"PUT {LEASES}")
        hang.end()
        await asyncio.wait_for(lease.lapsed.wait(), 60)
        assert loop.time() - asked_s < 12
        await ended(task)


async def test_lease_that_another_took_ends_the_operator_that_held_it(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        (taken,) = api.objects.of("leases")
        api.put("leases", {**taken, "spec": {**taken["spec"], "holderIdentity": "b", "renewTime": "now"}})
        with pytest.raises(LeaseLostError, match="held by b"):
            await asyncio.wait_for(task, 10)
        assert not lease.held.is_set()


async def test_lease_is_released_while_its_acquisition_has_no_answer_yet(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        api.put("leases", {"metadata": {"namespace": "media", "name": "mediaimport-operator"}, "spec": {}})
        task = await keeping(lease)
        await ended(task)
        await lease.release()
    assert holder(api) == ""


async def test_released_lease_is_never_renewed(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        await lease.release()
        await asyncio.sleep(30)
        assert (holder(api), lease.held.is_set()) == ("", False)
        await ended(task)


async def test_release_gives_up_on_an_api_server_that_does_not_answer(api: FakeApi) -> None:
    async with electing(api, "a") as lease:
        await lease.acquire()
        api.hang(LEASES)
        begun = asyncio.get_running_loop().time()
        await lease.release()
        assert asyncio.get_running_loop().time() - begun <= 2 * REQUEST_TIMEOUT_S + 1


async def test_operator_that_waits_takes_a_dead_leaders_lease_after_its_duration(api: FakeApi) -> None:
    async with electing(api, "a") as dead, electing(api, "b") as waiting:
        await dead.acquire()
        begun = asyncio.get_running_loop().time()
        await waiting.acquire()
        taken_s = asyncio.get_running_loop().time() - begun
        assert LEASE_DURATION_S < taken_s < LEASE_DURATION_S + 5
        assert holder(api) == "b"


@pytest.mark.parametrize("code", [429, 503])
async def test_wait_that_the_api_server_names_is_kept(api: FakeApi, code: int) -> None:
    async with electing(api, "a") as lease:
        fault = api.fault(LEASES, answer(code, "{}", {"Retry-After": "30"}))
        acquiring = asyncio.create_task(lease.acquire())
        await asyncio.wait_for(fault.met.wait(), 20)
        await asyncio.sleep(28)
        assert fault.count == 1
        api.heal()
        await asyncio.wait_for(acquiring, 5)
        renewal = api.fault(f"PUT {LEASES}", answer(code, "{}", {"Retry-After": "30"}))
        task = asyncio.create_task(lease.keep())
        await asyncio.wait_for(renewal.met.wait(), 20)
        await asyncio.sleep(28)
        assert (renewal.count, task.done()) == (1, False)
        api.heal()
        await asyncio.wait_for(lease.held.wait(), 5)
        await ended(task)


NO_LEASES = {
    "no-object": "{}",
    "null": "null",
    "another-objects-shape": '{"metadata": {"name": "mediaimport-operator"}, "spec": "x"}',
    "holder-of-a-number": '{"metadata": {"name": "mediaimport-operator"}, "spec": {"holderIdentity": 5}}',
    "duration-of-a-text": '{"metadata": {"name": "mediaimport-operator"}, "spec": {"leaseDurationSeconds": "long"}}',
    "transitions-of-a-text": '{"metadata": {"name": "mediaimport-operator"}, "spec": {"leaseTransitions": "x"}}',
}


@pytest.mark.parametrize("body", NO_LEASES.values(), ids=NO_LEASES)
async def test_answer_that_is_no_lease_is_a_failed_try(api: FakeApi, body: str) -> None:
    async with electing(api, "a") as lease:
        task = await keeping(lease)
        for method in ("PUT", "GET"):
            fault = api.fault(f"{method} {LEASES}", answer(200, body), times=1)
            other = api.fault(f"PUT {LEASES}", answer(503, "{}"), times=1)
            await asyncio.sleep(20)
            assert (fault.count, other.count) == (1, 1)
            assert (lease.held.is_set(), task.done()) == (True, False)
        await ended(task)
