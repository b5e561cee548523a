from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import pytest
from mediaimport_operator.reconcile.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

pytestmark = pytest.mark.anyio


async def take(queue: WorkQueue) -> str | None:
    return await asyncio.wait_for(queue.get(), 60)


async def test_key_waits_once_however_often_it_is_added() -> None:
    queue = WorkQueue()
    queue.add_all(["a", "b", "a"])
    assert [await take(queue), await take(queue), len(queue)] == ["a", "b", 0]


async def test_keys_added_first_come_first_and_once() -> None:
    queue = WorkQueue()
    queue.add_all(["a", "b", "c"])
    queue.add_all_first(["c", "d", "a"])
    assert [await take(queue) for _ in range(4)] == ["c", "d", "a", "b"]
    assert len(queue) == 0


async def test_key_added_during_its_reconcile_is_requeued() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    assert len(queue) == 0, "never two passes of one key at a time"
    queue.done("a")
    assert await take(queue) == "a"


async def test_done_key_is_requeued_after_its_time() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.done("a", requeue_in_s=0.01)
    assert await take(queue) == "a"


async def test_new_requeue_replaces_the_former() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.done("a", requeue_in_s=0.02)
    queue.add("a")
    await take(queue)
    queue.done("a")
    queue.add("b")
    assert await take(queue) == "b"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.05)


async def test_failed_reconciles_back_off_until_one_succeeds() -> None:
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


class Steps:
    """A coroutine whose steps are counted."""

    def __init__(self, steps: Coroutine[object, None, str | None]) -> None:
        self._steps = steps
        self.count = 0

    def __await__(self) -> Generator[object, None, str | None]:
        while True:
            self.count += 1
            try:
                waits_for = self._steps.send(None)
            except StopIteration as end:
                return cast("str | None", end.value)
            yield waits_for


async def test_key_wakes_one_worker() -> None:
    queue = WorkQueue()
    workers = [Steps(queue.get()) for _ in range(4)]
    tasks = [asyncio.ensure_future(each) for each in workers]
    await asyncio.sleep(0)
    assert sum(each.count for each in workers) == 4
    queue.add("a")
    done, waiting = await asyncio.wait(tasks, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert [each.result() for each in done] == ["a"]
    assert sum(each.count for each in workers) == 5
    queue.add_all_first(["b", "c"])
    queue.add_all_first(["c", "b"])
    done, waiting = await asyncio.wait(waiting, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert sum(each.count for each in workers) <= 7
    queue.close()
    await asyncio.wait_for(asyncio.gather(*waiting), 60)


async def test_key_of_a_worker_that_is_cancelled_before_it_has_it_goes_to_another() -> None:
    queue = WorkQueue()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 60) == "a"


async def test_closing_ends_all_waits_and_returns_no_key() -> None:
    queue = WorkQueue()
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("a")
    queue.close()
    assert await asyncio.gather(*waiting) == [None, None, None]


async def test_age_of_the_first_key_is_known() -> None:
    queue = WorkQueue()
    assert queue.oldest_age_s == 0
    queue.add("a")
    assert 0 <= queue.oldest_age_s < 5
    await take(queue)
    assert queue.oldest_age_s == 0


async def test_wait_that_the_api_server_names_is_the_least() -> None:
    queue = WorkQueue()
    waits_s = []
    for named_wait_s in (17, 0, 0.1, 9999):
        queue.add("a")
        await take(queue)
        waits_s.append(queue.failed("a", named_wait_s=named_wait_s))
    assert waits_s == [17, 1, 2, 300]
    queue.close()


# --- debounce ---


async def test_key_that_changes_often_is_reconciled_once_more() -> None:
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    queue.done("a")
    queue.add("a")
    queue.add_all_first(["a"])
    assert len(queue) == 0, "it rests"
    assert await take(queue) == "a"
    queue.done("a")
    queue.add("b")
    assert await take(queue) == "b"
    assert len(queue) == 0


@pytest.mark.parametrize("failed", [False, True], ids=["after a success", "after a failure"])
async def test_resting_key_is_delayed_and_never_lost(failed: bool) -> None:  # noqa: FBT001 - the parameter
    queue = WorkQueue(debounce_s=0.05)
    queue.add("a")
    await take(queue)
    ended_s = time.monotonic()
    if failed:
        queue.failed("a")
    else:
        queue.done("a")
    queue.add("a")
    assert await take(queue) == "a"
    # The loop's clock is one tick coarse.
    assert time.monotonic() - ended_s >= 0.049


async def test_key_of_a_worker_that_died_is_requeued() -> None:
    queue = WorkQueue(debounce_s=0.01)
    queue.add("a")
    await take(queue)
    queue.requeue_if_running("a")
    assert await take(queue) == "a"


async def test_key_that_does_not_change_rests_without_another_reconcile() -> None:
    queue = WorkQueue(debounce_s=0.01)
    queue.add("a")
    await take(queue)
    queue.done("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.1)


async def test_key_added_first_while_it_is_reconciled_is_requeued() -> None:
    queue = WorkQueue(debounce_s=0)
    queue.add("a")
    await take(queue)
    queue.add_all_first(["a"])
    queue.done("a")
    assert await take(queue) == "a"
