"""Predictions of the stand-in, in memory, and their course over time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.replicate.prediction import Prediction, new_id
from tests.support.replicate.scenario import scenario_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from tests.support.replicate.courier import Courier
    from tests.support.replicate.settings import Settings

PAGE = 100


@dataclass
class Service:
    """Creates and runs predictions and sends their webhooks. A restart loses all of them."""

    settings: Settings
    courier: Courier
    clock: Callable[[], datetime]
    predictions: dict[str, Prediction] = field(default_factory=dict)
    throttled: int = 0
    """Number of requests to the API that are still to be answered 429."""
    requests: dict[str, int] = field(default_factory=dict)
    """Number of requests for each prediction's files."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def create(self, *, model: str, version: str, body: dict[str, Any]) -> Prediction:
        """Start a prediction from a request's body."""
        given = body.get("input") or {}
        prediction = Prediction(
            id=new_id(),
            model=model,
            version=version,
            input=given,
            scenario=scenario_of(model=model, given=given),
            created_at=self.clock(),
            webhook=body.get("webhook"),
            webhook_events=frozenset(body.get("webhook_events_filter") or ("start", "output", "logs", "completed")),
        )
        self.predictions[prediction.id] = prediction
        self._go(self._run(prediction))
        return prediction

    def cancel(self, prediction: Prediction) -> Prediction:
        """Cancel a prediction and send its webhook."""
        canceled = prediction.canceled(self.clock())
        self.predictions[prediction.id] = canceled
        if not prediction.finished:
            self._go(self.notify(canceled))
        return canceled

    def page(self, cursor: str | None) -> tuple[list[Prediction], str | None]:
        """Return a page of predictions, newest first, and where the next begins."""
        newest_first = list(reversed(self.predictions.values()))
        ids = [each.id for each in newest_first]
        start = ids.index(cursor) if cursor in ids else 0
        rest = newest_first[start : start + PAGE + 1]
        return rest[:PAGE], rest[PAGE].id if len(rest) > PAGE else None

    def view(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction's JSON as of now."""
        settings = self.settings
        return prediction.view(self.clock(), public_url=settings.public_url, lifetime_s=settings.file_lifetime_s)

    def count_request(self, prediction: Prediction) -> int:
        """Return how many requests for its files came before this one."""
        before = self.requests.get(prediction.id, 0)
        self.requests[prediction.id] = before + 1
        return before

    async def notify(self, prediction: Prediction) -> None:
        """Send the webhook for the state that the prediction is in, if the request asked for it."""
        event = "completed" if prediction.finished else "start"
        if prediction.webhook and prediction.scenario.webhook and event in prediction.webhook_events:
            await self.courier.deliver(prediction.webhook, self.view(prediction), repeat=prediction.finished)

    async def close(self) -> None:
        """Cancel all running predictions."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, prediction: Prediction) -> None:
        if self.predictions[prediction.id].finished:
            return
        started = self.predictions[prediction.id] = prediction.started(self.clock())
        seconds = prediction.scenario.seconds
        self._go(self.notify(started))
        await asyncio.sleep(self.settings.predict_s if seconds is None else seconds)
        if self.predictions[prediction.id].finished:
            return
        completed = started.completed(self.clock(), public_url=self.settings.public_url)
        self.predictions[prediction.id] = completed
        await self.notify(completed)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
