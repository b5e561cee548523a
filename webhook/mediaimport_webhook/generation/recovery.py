"""Finds succeeded predictions whose callback never came, before their files die, and imports them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_webhook.generation.providers import Outcome
from mediaimport_webhook.generation.providers.outputs import media_outputs
from mediaimport_webhook.imports.create import Creation

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_webhook.generation.intake import Callbacks
    from mediaimport_webhook.generation.providers import Lister, Prediction

_LOG = logging.getLogger(__name__)
_CALLBACK_COMES_WITHIN = timedelta(minutes=3)
"""The last of quick retries comes about a minute after completion."""
_LOOKED_BACK = timedelta(hours=1)
"""Where files live longer."""
_LONGEST_RUN = timedelta(hours=6)
"""The list is by creation: what was created before this cannot have completed within the hour."""
_MOST_PAGES = 200


@dataclass(frozen=True)
class Swept:
    """What a sweep found: predictions looked at, and imports that it made."""

    looked_at: int
    saved: int


async def sweep(generator: Lister, callbacks: Callbacks, now: datetime) -> Swept:
    """Import what is missing; a Problem or UnavailableError ends it, and the next sweep goes on."""
    looked_at = saved = 0
    place: str | None = ""
    for _ in range(_MOST_PAGES):
        if place is None:
            break
        page = await generator.recent(place)
        looked_at += len(page.predictions)
        for each in page.predictions:
            saved += await _save(each, callbacks, now)
        reaches_back = any(each.created_at and now - each.created_at > _LONGEST_RUN for each in page.predictions)
        place = None if reaches_back else page.next
    return Swept(looked_at, saved)


def _is_due(prediction: Prediction, now: datetime) -> bool:
    """Tell whether its callback has had its time while its files still live. No media is no callback's loss."""
    if prediction.outcome is not Outcome.SUCCEEDED or prediction.completed_at is None:
        return False
    age = now - prediction.completed_at
    return _CALLBACK_COMES_WITHIN <= age < (prediction.files_live or _LOOKED_BACK) and bool(
        media_outputs(prediction.output)
    )


async def _save(prediction: Prediction, callbacks: Callbacks, now: datetime) -> int:
    if not _is_due(prediction, now):
        return 0
    outcomes = await callbacks.take(prediction, swept=True)
    made = sum(each.created.creation is Creation.CREATED for each in outcomes.items)
    if made:
        _LOG.warning(
            "a prediction without its callback was saved", extra={"prediction": prediction.id, "imports": made}
        )
    return made
