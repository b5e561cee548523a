"""States of predictions as the generator has them, kept for a while: many polls cost few calls."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome, Provider
from mediaimport_webhook.generation.recipe import Recipe
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable

_MIN_FRESH_S = 2.0
_MAX_FRESH_S = 15.0
_FRESH_OF_AGE = 0.1
"""Share of a prediction's age for which its state is taken as it was: the longer it ran, the longer it may run on."""
_MAX_PAUSE_S = 300
_MAX_KEPT = 10_000


@dataclass(frozen=True)
class _Known:
    prediction: Prediction | None
    since: float
    until: float


class PredictionStates:
    """Cache. Requests for one prediction at the same time share one call, and none is made while the generator is busy.

    A finished prediction does not change; only the generator forgets it.
    """

    def __init__(
        self,
        generator: Provider,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._generator = generator
        self._monotonic = monotonic
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Prediction | None]] = {}
        self._busy: problems.Problem | None = None
        self._busy_until = 0.0

    async def get(self, prediction_id: str) -> Prediction | None:
        """Return the prediction, None if the generator has none; a Problem without an answer, now or before."""
        known = self._known.get(prediction_id)
        if known is not None and self._monotonic() < known.until:
            return known.prediction
        flight = self._flights.get(prediction_id)
        if flight is None:
            flight = self._flights[prediction_id] = asyncio.create_task(self._fetch(prediction_id))
            flight.add_done_callback(lambda done: self._landed(prediction_id, done))
        return await asyncio.shield(flight)

    async def _fetch(self, prediction_id: str) -> Prediction | None:
        try:
            prediction = await self._ask(prediction_id)
        except problems.Problem:
            known = self._known.get(prediction_id)
            if known is None or known.prediction is None:
                raise
            # The generator is busy or away: its last word stays until it speaks again.
            prediction = known.prediction
        self._keep(prediction_id, prediction)
        return prediction

    async def _ask(self, prediction_id: str) -> Prediction | None:
        """Ask the generator; its 429 is the answer for as long as it says, since its limit is that of the account."""
        wait_s = self._busy_until - self._monotonic()
        if self._busy is not None and wait_s > 0:
            raise replace(self._busy, headers={"Retry-After": str(math.ceil(wait_s))})
        try:
            return await self._generator.fetch_state(prediction_id)
        except problems.Problem as problem:
            if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
                wait_s = min(int(problem.headers.get("Retry-After", "1")), _MAX_PAUSE_S)
                self._busy, self._busy_until = problem, self._monotonic() + wait_s
            raise

    def _keep(self, prediction_id: str, prediction: Prediction | None) -> None:
        """Keep a prediction without its output and recipe, which may be megabytes of data: URIs."""
        prediction = None if prediction is None else replace(prediction, output=None, recipe=Recipe())
        known, now = self._known.get(prediction_id), self._monotonic()
        since = now if known is None else known.since
        self._known[prediction_id] = _Known(prediction, since, now + self._fresh_s(prediction, now - since))
        self._known.move_to_end(prediction_id)
        if len(self._known) > _MAX_KEPT:
            self._known.popitem(last=False)

    def _fresh_s(self, prediction: Prediction | None, known_s: float) -> float:
        """Return how long a state is not asked for again, by the age that the generator tells, or by ours."""
        if prediction is not None and prediction.outcome is not PredictionOutcome.RUNNING:
            return math.inf
        if prediction is not None and prediction.created_at is not None:
            known_s = max(known_s, (self._clock() - prediction.created_at).total_seconds())
        return min(max(_FRESH_OF_AGE * known_s, _MIN_FRESH_S), _MAX_FRESH_S)

    def _landed(self, prediction_id: str, flight: asyncio.Task[Prediction | None]) -> None:
        del self._flights[prediction_id]
        if not flight.cancelled():
            flight.exception()  # Marks it as seen: all who waited for it may have gone.
