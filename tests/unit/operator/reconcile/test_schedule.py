from __future__ import annotations

import asyncio
import gc

import pytest
import uvloop
from mediaimport_operator.reconcile.schedule import Schedule

pytestmark = pytest.mark.anyio


class Due:
    """The keys that were due, in order."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._came = asyncio.Event()

    def __call__(self, key: str) -> None:
        self.keys.append(key)
        self._came.set()

    async def reached(self, count: int) -> list[str]:
        async with asyncio.timeout(60):
            while len(self.keys) < count:
                self._came.clear()
                await self._came.wait()
        return self.keys


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_keys_are_due_in_the_order_of_their_times() -> None:
    due = Due()
    schedule, begun_s = Schedule(due), now_s()
    for wait_s, key in ((0.03, "c"), (0.01, "a"), (0.02, "b")):
        schedule.set(key, begun_s + wait_s)
    assert await due.reached(3) == ["a", "b", "c"]


async def test_new_time_replaces_the_former_whether_it_is_earlier_or_later() -> None:
    due = Due()
    schedule, begun_s = Schedule(due), now_s()
    schedule.set("later", begun_s + 0.01)
    schedule.set("later", begun_s + 0.05)
    schedule.set("earlier", begun_s + 3600)
    schedule.set("earlier", begun_s + 0.02)
    assert await due.reached(2) == ["earlier", "later"]
    assert (schedule.due_s("later"), schedule.due_s("earlier")) == (None, None)


async def test_key_that_is_set_again_when_it_is_due_comes_again() -> None:
    due = Due()

    def again(key: str) -> None:
        due(key)
        schedule.set(key, now_s() + 0.01)

    schedule = Schedule(again)
    schedule.set("a", now_s())
    assert (await due.reached(3))[:3] == ["a", "a", "a"]
    schedule.clear()


def test_keys_come_on_the_loop_of_the_program() -> None:
    async def run() -> list[str]:
        due = Due()
        schedule = Schedule(due)
        for wait_s, key in ((3600, "never"), (0.02, "b"), (0.01, "a"), (0, "now"), (-1, "past")):
            schedule.set(key, now_s() + wait_s)
        keys = await due.reached(4)
        schedule.clear()
        return keys

    assert uvloop.run(run()) == ["past", "now", "a", "b"]


async def test_dropped_keys_never_come() -> None:
    due = Due()
    schedule, begun_s = Schedule(due), now_s()
    for key in ("a", "b", "c"):
        schedule.set(key, begun_s + 0.01)
    schedule.drop("a")
    schedule.set("last", begun_s + 0.02)
    assert await due.reached(3) == ["b", "c", "last"]
    schedule.set("d", now_s() + 0.01)
    schedule.clear()
    schedule.set("e", now_s() + 0.02)
    assert (await due.reached(4))[3:] == ["e"]


async def test_times_that_were_replaced_are_not_kept() -> None:
    schedule = Schedule(Due())
    for number in range(10_000):
        schedule.set("a", now_s() + 3600 + number)
    assert len(schedule._heap) < 2_000
    schedule.clear()


async def test_ten_thousand_requeues_are_nothing_for_the_garbage_collector() -> None:
    schedule = Schedule(Due())
    schedule.set("first", now_s() + 3600)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(10_000):
        schedule.set(f"key-{number}", now_s() + 3600)
    gc.collect()
    assert len(gc.get_objects()) < before + 100
    schedule.clear()
