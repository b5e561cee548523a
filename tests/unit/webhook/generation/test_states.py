from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome
from mediaimport_webhook.generation.recipe import Recipe
from mediaimport_webhook.generation.states import PredictionStates
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

START = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = Prediction("replicate", "p", "processing", PredictionOutcome.RUNNING)
DATA = "data:video/mp4;base64,AAAA"
FAILED = Prediction(
    "replicate", "p", "failed", PredictionOutcome.FAILED, output=DATA, recipe=Recipe(input={"image": DATA})
)


class World:
    """Generator that counts its calls, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.answer: Prediction | problems.Problem | None = RUNNING
        generator: Any = self
        self.states = PredictionStates(
            generator, monotonic=lambda: self.now, clock=lambda: START + timedelta(seconds=self.now)
        )

    async def fetch_state(self, _: str) -> Prediction | None:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, problems.Problem):
            raise self.answer
        return self.answer


def run(steps: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await steps(World())

    asyncio.run(main())


def test_requests_at_once_share_one_call() -> None:
    async def steps(world: World) -> None:
        assert await asyncio.gather(*(world.states.get("p") for _ in range(50))) == [RUNNING] * 50
        assert world.asked == 1

    run(steps)


def test_request_that_goes_away_takes_no_other_along() -> None:
    async def steps(world: World) -> None:
        first, second = (asyncio.create_task(world.states.get("p")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == RUNNING

    run(steps)


@pytest.mark.parametrize("answer", [RUNNING, None])
def test_state_is_asked_for_again_after_two_seconds(answer: Prediction | None) -> None:
    async def steps(world: World) -> None:
        world.answer = answer
        for world.now in (0.0, 1.9, 2.1, 4.0, 4.2):
            assert await world.states.get("p") == answer
        assert world.asked == 3

    run(steps)


@pytest.mark.parametrize(("age_s", "calls"), [(0, 38), (100, 20), (600, 19)])
def test_older_prediction_is_asked_for_less_often(age_s: float, calls: int) -> None:
    async def steps(world: World) -> None:
        world.answer = replace(RUNNING, created_at=START - timedelta(seconds=age_s))
        for second in range(0, 300, 2):
            world.now = float(second)
            await world.states.get("p")
        assert world.asked == calls

    run(steps)


def test_prediction_without_a_time_is_asked_for_less_often_the_longer_it_is_known() -> None:
    async def steps(world: World) -> None:
        for second in range(0, 300, 2):
            world.now = float(second)
            await world.states.get("p")
        assert world.asked < 50

    run(steps)


def test_busy_generator_is_not_asked_before_the_time_that_it_named() -> None:
    async def steps(world: World) -> None:
        await world.states.get("p")
        world.now, world.answer = 3.0, busy("9")
        assert await world.states.get("p") == RUNNING
        for world.now, wait in ((4.0, "8"), (11.5, "1")):
            assert await world.states.get("p") == RUNNING
            with pytest.raises(problems.Problem) as refusal:
                await world.states.get("another")
            assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": wait})
        assert world.asked == 2
        world.now, world.answer = 12.1, RUNNING
        assert await world.states.get("another") == RUNNING

    run(steps)


def test_generator_that_names_hours_is_asked_after_minutes() -> None:
    async def steps(world: World) -> None:
        world.answer = busy("86400")
        with pytest.raises(problems.Problem):
            await world.states.get("p")
        world.now, world.answer = 301.0, RUNNING
        assert await world.states.get("p") == RUNNING

    run(steps)


def busy(retry_after: str) -> problems.Problem:
    return problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "provider-busy", "busy", headers={"Retry-After": retry_after})


def test_finished_prediction_is_asked_for_once_and_kept_without_its_data() -> None:
    async def steps(world: World) -> None:
        world.answer = FAILED
        await world.states.get("p")
        world.now, world.answer = 1e6, None
        kept = await world.states.get("p")
        assert kept is not None
        assert (kept.state, kept.output, kept.recipe, world.asked) == ("failed", None, Recipe(), 1)

    run(steps)


def test_last_word_stays_while_the_generator_does_not_answer() -> None:
    async def steps(world: World) -> None:
        await world.states.get("p")
        world.now, world.answer = 3.0, problems.unavailable("Replicate")
        assert await world.states.get("p") == RUNNING
        with pytest.raises(problems.Problem):
            await world.states.get("another")

    run(steps)
