"""Recovery of missed predictions: those whose callback never came are imported before their files expire."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_webhook.generation.outputs import media_outputs
from mediaimport_webhook.generation.providers import Prediction, PredictionLister, PredictionOutcome
from mediaimport_webhook.imports.create import CreationOutcome

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_webhook.generation.intake import Intake

log = logging.getLogger(__name__)
_CALLBACK_WITHIN = timedelta(minutes=3)
"""The last of a generator's quick retries comes about a minute after completion."""
_DEFAULT_LIFETIME = timedelta(hours=1)
"""Period to look back if files do not expire soon."""
_MAX_RUNTIME = timedelta(hours=6)
"""The list is by creation: a prediction created before this cannot have completed within the hour."""
_MAX_PAGES = 200


@dataclass(frozen=True)
class Recovered:
    """Counts of a recovery: checked predictions, created imports."""

    checked: int
    imported: int


async def recover(generator: PredictionLister, intake: Intake, now: datetime) -> Recovered:
    """Import the outputs of missed predictions; a Problem or UnavailableError ends it, and the next run goes on."""
    checked = imported = 0
    cursor: str | None = ""
    for _ in range(_MAX_PAGES):
        if cursor is None:
            break
        page = await generator.list_predictions(cursor)
        checked += len(page.predictions)
        for each in page.predictions:
            imported += await _recover(each, intake, now)
        reaches_back = any(each.created_at and now - each.created_at > _MAX_RUNTIME for each in page.predictions)
        cursor = None if reaches_back else page.next
    return Recovered(checked, imported)


def _is_due(prediction: Prediction, now: datetime) -> bool:
    """Return whether the callback is overdue, the files still live, and there is media to import."""
    if prediction.outcome is not PredictionOutcome.SUCCEEDED or prediction.completed_at is None:
        return False
    age, lifetime = now - prediction.completed_at, prediction.files_lifetime or _DEFAULT_LIFETIME
    return _CALLBACK_WITHIN <= age < lifetime and bool(media_outputs(prediction.output))


async def _recover(prediction: Prediction, intake: Intake, now: datetime) -> int:
    if not _is_due(prediction, now):
        return 0
    result = await intake.accept(prediction, recovered=True)
    created = sum(each.created.outcome is CreationOutcome.CREATED for each in result.outputs)
    if created:
        log.warning("a missed prediction was recovered", extra={"prediction": prediction.id, "imports": created})
    return created
