from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from mediaimport_webhook.generation.records import Records

from tests.support.webhook_cluster import FakeCluster

DAY = timedelta(days=1)


class World:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self.records = Records(self.cluster, clock=lambda: self.now)

    async def create(self, name: str, *, lifetime: timedelta = DAY) -> bool:
        return await self.records.create(name, {"a": name}, kind="test", lifetime=lifetime) is not None

    async def names(self) -> set[str]:
        await self.records.delete_expired()
        return set(self.cluster.leases)


def test_record_is_created_once_and_read_back() -> None:
    async def steps() -> None:
        world = World()
        assert [await world.create("x"), await world.create("x")] == [True, False]
        record = await world.records.get("x")
        assert record is not None
        assert record.data == {"a": "x"}
        assert await world.records.get("y") is None

    asyncio.run(steps())


def test_of_two_who_replace_a_record_one_wins() -> None:
    async def steps() -> None:
        world = World()
        await world.create("x")
        record = await world.records.get("x")
        assert record is not None
        won = [await world.records.replace(record, {"by": each}) for each in "ab"]
        assert [each and dict(each.data) for each in won] == [{"by": "a"}, None]
        await world.records.delete("x")
        assert await world.records.replace(record, {}) is None

    asyncio.run(steps())


def test_records_are_deleted_after_their_day_and_not_before() -> None:
    async def steps() -> None:
        world = World()
        await world.create("day")
        await world.create("week", lifetime=timedelta(days=7))
        for days, kept in ((0, {"day", "week"}), (1, {"day", "week"}), (2, {"week"}), (7, {"week"}), (8, set())):
            world.now = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=days)
            assert await world.names() == kept

    asyncio.run(steps())


def test_expired_records_are_looked_for_once_an_hour_and_their_failure_harms_nothing() -> None:
    async def steps() -> None:
        world = World()
        for _ in range(3):
            await world.records.delete_expired()
        assert world.cluster.calls == ["lease_names"]
        world.now += timedelta(hours=1)
        world.cluster.down = True
        await world.records.delete_expired()
        assert len(world.cluster.calls) == 2

    asyncio.run(steps())


def test_expired_records_of_all_pages_are_deleted() -> None:
    async def steps() -> None:
        world = World()
        world.cluster.page_size = 3
        for index in range(10):
            await world.create(str(index))
        await world.create("week", lifetime=timedelta(days=7))
        world.now += timedelta(days=2)
        assert await world.names() == {"week"}

    asyncio.run(steps())


def test_record_that_cannot_be_deleted_ends_the_deletion() -> None:
    async def steps() -> None:
        world = World()
        world.cluster.held_leases.add("x")
        for name in "xy":
            await world.create(name)
        world.now += timedelta(days=2)
        assert await world.names() == {"x"}

    asyncio.run(steps())


def test_expired_records_are_deleted_whatever_is_requested() -> None:
    async def steps() -> None:
        world = World()
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            world.now += timedelta(seconds=seconds)
            if sum(slept) > 3 * 86_400:
                raise asyncio.CancelledError

        await world.create("x")
        with pytest.raises(asyncio.CancelledError):
            await world.records.keep_clean(sleep)
        assert world.cluster.leases == {}
        assert 40 < world.cluster.calls.count("lease_names") < 74
        assert min(slept) > 60

    asyncio.run(steps())
