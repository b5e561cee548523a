"""Ends of predictions that their assets do not tell, recorded by the callback: failed, without media, some refused."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from mediaimport_webhook.generation.owner import Owner
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome
from mediaimport_webhook.generation.records import MAX_LIFETIME

if TYPE_CHECKING:
    from mediaimport_webhook.generation.records import Records


class Failures:
    """Such ends of the last week."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def record(self, prediction: Prediction, owner: Owner, *, accepted: int = 0) -> None:
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
        await self._records.create(name, data, kind="failed-prediction", lifetime=MAX_LIFETIME)

    async def get(self, *, provider: str, prediction: str) -> tuple[Prediction, Owner] | None:
        """Return a prediction whose end is recorded and its owner, None without a record; UnavailableError."""
        record = await self._records.get(_name(provider, prediction))
        if record is None:
            return None
        data = record.data
        outcome = PredictionOutcome[data.get("outcome", PredictionOutcome.FAILED.name)]
        ended = Prediction(provider, prediction, data["state"], outcome, error=data["error"] or None)
        return ended, Owner(data["user"], tuple(json.loads(data["tags"])))

    async def accepted(self, *, provider: str, prediction: str) -> int | None:
        """Return the number of accepted outputs, None if no end is recorded; UnavailableError."""
        record = await self._records.get(_name(provider, prediction))
        return None if record is None else int(record.data.get("accepted", "0"))


def _name(provider: str, prediction: str) -> str:
    digest = hashlib.sha256(f"{provider}\0{prediction}".encode()).hexdigest()
    return f"mediaimport-failed-{digest[:32]}"
