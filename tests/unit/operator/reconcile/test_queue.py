from __future__ import annotations

import asyncio

import pytest
from mediaimport_operator.reconcile.queue import WorkQueue

pytestmark = pytest.mark.anyio


async def take(queue: WorkQueue) -> str | None:
    return await asyncio.wait_for(queue.get(), 5)


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue = WorkQueue()
    queue.add_all(["a", "b", "a"])
    assert [await take(queue), await take(queue), len(queue)] == ["a", "b", 0]


async def test_what_is_put_first_comes_first_and_once() -> None:
    queue = WorkQueue()
    queue.add_all(["a", "b", "c"])
    queue.put_first(["c", "d", "a"])
    assert [await take(queue) for _ in range(4)] == ["c", "d", "a", "b"]
    assert len(queue) == 0


async def test_a_key_added_during_its_pass_gets_another_one_after_it() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    assert len(queue) == 0, "never two passes of one key at a time"
    queue.done("a")
    assert await take(queue) == "a"


async def test_a_wish_to_wake_is_met() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.done("a", wake_in_s=0.01)
    assert await take(queue) == "a"


async def test_a_new_wish_replaces_the_former() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.done("a", wake_in_s=0.02)
    queue.add("a")
    await take(queue)
    queue.done("a")
    queue.add("b")
    assert await take(queue) == "b"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)


async def test_failing_passes_back_off_until_one_succeeds() -> None:
    queue = WorkQueue()
    waits = []
    for _ in range(9):
        queue.add("a")
        await take(queue)
        waits.append(queue.failed("a"))
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    queue.add("a")
    await take(queue)
    queue.done("a")
    queue.add("a")
    await take(queue)
    assert queue.failed("a") == 0.5
    queue.close()


async def test_closing_wakes_all_who_wait_and_hands_out_nothing() -> None:
    queue = WorkQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("a")
    queue.close()
    assert await asyncio.gather(*waiting) == [None, None, None]


async def test_the_age_of_the_first_key_is_known() -> None:
    queue = WorkQueue()
    assert queue.oldest_age_s == 0
    queue.add("a")
    assert 0 <= queue.oldest_age_s < 5
    await take(queue)
    assert queue.oldest_age_s == 0
