"""Ends of predictions that assets do not tell: failed, without media, refused in part, assets deleted since."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import KubernetesError

from mediaimport_webhook.generation.owner import Owner
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome
from mediaimport_webhook.generation.records import MAX_LIFETIME, name_of_prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.catalogue import Entry
    from mediaimport_webhook.generation.records import Records

log = logging.getLogger(__name__)
OUTPUTS_WITHIN = timedelta(hours=1)
"""Period after the first import in which the others can still come: recovery looks back as far."""
WHOLE_LIFETIME = timedelta(days=1)
"""Of the end of a prediction with all its assets, which is asked for only as long as others could come."""
_MAX_NOTED = 10_000


@dataclass(frozen=True)
class End:
    """End of a prediction, and how many of its outputs were accepted."""

    prediction: Prediction
    owner: Owner
    accepted: int


class Ends:
    """Recorded ends of the last week. Nothing more comes of a prediction that has one."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def record(
        self, prediction: Prediction, owner: Owner, *, accepted: int = 0, lifetime: timedelta = MAX_LIFETIME
    ) -> None:
        """Record the end and the number of accepted outputs, once; UnavailableError."""
        data = {
            "prediction": prediction.id,
            "user": owner.user_id,
            "tags": json.dumps(owner.tags),
            "state": prediction.state,
            "error": prediction.error or "",
            "outcome": prediction.outcome.name,
            "accepted": str(accepted),
        }
        name = _name(prediction.provider, prediction.id)
        await self._records.create(name, data, kind="prediction-end", lifetime=lifetime)

    async def get(self, *, provider: str, prediction: str) -> End | None:
        """Return the end of a prediction, None if none is recorded; UnavailableError."""
        record = await self._records.get(_name(provider, prediction))
        if record is None:
            return None
        data = record.data
        # A record of an older release is that of a failure.
        outcome = PredictionOutcome[data.get("outcome", PredictionOutcome.FAILED.name)]
        ended = Prediction(provider, prediction, data["state"], outcome, error=data["error"] or None)
        return End(ended, Owner(data["user"], tuple(json.loads(data["tags"]))), int(data.get("accepted", "0")))


class RemovalRecorder:
    """Records the end of a prediction whose only asset is deleted: no other asset tells it to the next process.

    The end of a prediction with several is recorded by its callback.
    """

    def __init__(self, ends: Ends, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ends = ends
        self._clock = clock
        self._noted: asyncio.Queue[Entry] = asyncio.Queue(_MAX_NOTED)

    def note(self, entry: Entry) -> None:
        """Take note of a deleted asset, if somebody may still wait for it."""
        age = self._clock() - datetime.fromisoformat(entry.created_at)
        if entry.job_id is not None and entry.outputs_expected == 1 and age < OUTPUTS_WITHIN:
            with suppress(asyncio.QueueFull):
                self._noted.put_nowait(entry)

    async def run(self) -> None:
        """Record what is noted, for ever; what cannot be recorded is logged."""
        while True:
            entry = await self._noted.get()
            try:
                await self._record(entry)
            except KubernetesError as error:
                log.warning("the end of a prediction could not be recorded", extra={"error": str(error)})

    async def _record(self, entry: Entry) -> None:
        state = entry.provider_status or ""
        prediction = Prediction(entry.provider or "", entry.job_id or "", state, PredictionOutcome.SUCCEEDED)
        owner = Owner(entry.user_id, entry.tags)
        await self._ends.record(prediction, owner, accepted=1, lifetime=WHOLE_LIFETIME)


def _name(provider: str, prediction: str) -> str:
    return name_of_prediction("mediaimport-failed-", provider=provider, prediction=prediction)
