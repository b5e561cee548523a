"""States of predictions as the generator has them, kept for a moment: many polls cost one call."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome, Provider
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNNING_S = 2.0
_FINISHED_S = float("inf")
"""The state of a finished prediction does not change; only the generator forgets it."""
_MAX_KEPT = 10_000


@dataclass(frozen=True)
class _Known:
    prediction: Prediction | None
    until: float


class PredictionStates:
    """Short cache. Requests for one prediction at the same time share one call."""

    def __init__(self, generator: Provider, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._generator = generator
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Prediction | None]] = {}

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
        known = self._known.get(prediction_id)
        try:
            prediction = await self._generator.fetch_state(prediction_id)
        except problems.Problem:
            if known is None or known.prediction is None:
                raise
            # The generator is busy or away: its last word stays until it speaks again.
            prediction = known.prediction
        self._keep(prediction_id, prediction)
        return prediction

    def _keep(self, prediction_id: str, prediction: Prediction | None) -> None:
        """Keep a prediction without its output, which may be megabytes of data: URIs."""
        prediction = None if prediction is None else replace(prediction, output=None)
        lifetime_s = _FINISHED_S if _is_finished(prediction) else _RUNNING_S
        self._known[prediction_id] = _Known(prediction, self._monotonic() + lifetime_s)
        self._known.move_to_end(prediction_id)
        if len(self._known) > _MAX_KEPT:
            self._known.popitem(last=False)

    def _landed(self, prediction_id: str, flight: asyncio.Task[Prediction | None]) -> None:
        del self._flights[prediction_id]
        if not flight.cancelled():
            flight.exception()  # Marks it as seen: all who waited for it may have gone.


def _is_finished(prediction: Prediction | None) -> bool:
    return prediction is not None and prediction.outcome is not PredictionOutcome.RUNNING
