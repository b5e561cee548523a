"""Failed predictions, recorded by their callback: they have no asset, and the generator forgets them."""

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
    """Failed predictions of the last week."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def record(self, prediction: Prediction, owner: Owner) -> None:
        """Record the failure, once; UnavailableError."""
        data = {
            "prediction": prediction.id,
            "user": owner.user_id,
            "tags": json.dumps(owner.tags),
            "state": prediction.state,
            "error": prediction.error or "",
        }
        name = _name(prediction.provider, prediction.id)
        await self._records.create(name, data, kind="failed-prediction", lifetime=MAX_LIFETIME)

    async def get(self, *, provider: str, prediction: str) -> tuple[Prediction, Owner] | None:
        """Return a failed prediction and its owner, None if no failure is recorded; UnavailableError."""
        record = await self._records.get(_name(provider, prediction))
        if record is None:
            return None
        data = record.data
        failed = Prediction(provider, prediction, data["state"], PredictionOutcome.FAILED, error=data["error"] or None)
        return failed, Owner(data["user"], tuple(json.loads(data["tags"])))


def _name(provider: str, prediction: str) -> str:
    digest = hashlib.sha256(f"{provider}\0{prediction}".encode()).hexdigest()
    return f"mediaimport-failed-{digest[:32]}"
