from __future__ import annotations

import asyncio

import pytest
from mediaimport_runtime.kubernetes.errors import UnavailableError
from mediaimport_webhook.generation.concurrency import Turns


def test_no_more_than_so_many_have_a_turn_and_who_came_first_has_it_first() -> None:
    async def run() -> None:
        turns, order, inside, most = Turns(2, patience_s=5), [], 0, 0

        async def have(number: int) -> None:
            nonlocal inside, most
            async with turns.turn():
                inside += 1
                most = max(most, inside)
                order.append(number)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(have(each) for each in range(10)))
        assert (most, order) == (2, list(range(10)))

    asyncio.run(run())


def test_who_waits_for_too_long_is_told_to_come_again_and_takes_nobodys_turn() -> None:
    async def run() -> None:
        turns = Turns(1, patience_s=0.01)
        async with turns.turn():
            with pytest.raises(UnavailableError) as refusal:
                async with turns.turn():
                    pass
            assert refusal.value.retry_after_s > 0
        async with turns.turn():
            pass

    asyncio.run(run())


def test_turn_is_given_back_when_its_work_fails() -> None:
    async def run() -> None:
        turns = Turns(1, patience_s=0.01)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with turns.turn():
                    raise ZeroDivisionError

    asyncio.run(run())
