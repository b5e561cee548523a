"""Failures of predictions, recorded for endpoints: the operator tells them of each as `prediction.failed`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mediaimport_api.event_records import FAILED_PREDICTION, FailedPrediction

from mediaimport_webhook.generation.records import name_of_prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.generation.owner import Owner
    from mediaimport_webhook.generation.providers import Prediction
    from mediaimport_webhook.generation.records import Records

_LIFETIME = timedelta(days=2)
"""Longer than anybody is told of an event, and than a callback is repeated."""


class Failures:
    """Records of predictions of which no asset comes."""

    def __init__(self, records: Records, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._records = records
        self._clock = clock

    async def record(self, prediction: Prediction, owner: Owner, reason: str) -> None:
        """Record that the prediction has failed, once; UnavailableError."""
        failed = FailedPrediction(
            provider=prediction.provider,
            prediction=prediction.id,
            user=owner.user_id,
            state=prediction.state,
            reason=reason,
            at=self._clock(),
        )
        name = name_of_prediction("mediaimport-event-", provider=prediction.provider, prediction=prediction.id)
        await self._records.create(
            name, failed.to_wire(), kind=FAILED_PREDICTION, lifetime=_LIFETIME, user_id=owner.user_id
        )
