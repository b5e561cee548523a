"""Recovery of missed predictions: those whose callback never came are imported in time, or recorded as failed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api import names

from mediaimport_webhook.generation.outputs import media_outputs
from mediaimport_webhook.generation.owner import InvalidTokenError, OwnerToken, OwnerTokens, text_in
from mediaimport_webhook.generation.providers import Prediction, PredictionLister, PredictionOutcome
from mediaimport_webhook.http import problems
from mediaimport_webhook.imports.create import CreationOutcome

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.generation.intake import Intake

log = logging.getLogger(__name__)
_CALLBACK_WITHIN = timedelta(minutes=3)
"""The last of a generator's quick retries comes about a minute after completion."""
_DEFAULT_LIFETIME = timedelta(hours=1)
"""Period to look back if files do not expire soon."""
_MAX_RUNTIME = timedelta(hours=6)
"""The list is by creation: a prediction created before this cannot have completed within the hour."""
_MAX_PAGES = 200
_RECIPE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Recovered:
    """Counts of a recovery: checked predictions, created imports."""

    checked: int
    imported: int


class _Recipes:
    """Recipes as their callbacks had them: a list of predictions leaves out logs, with the seed in them.

    The media comes first: a generator that once gives no prompt answer is not asked again.
    """

    def __init__(self, generator: PredictionLister) -> None:
        self._generator = generator
        self._is_away = False

    async def added_to(self, prediction: Prediction) -> Prediction:
        """Return the prediction with the whole recipe; without an answer, with what the list says."""
        if self._is_away or not prediction.recipe.is_partial:
            return prediction
        whole = await self._fetched(prediction.id)
        return prediction if whole is None or not whole.recipe.input else replace(prediction, recipe=whole.recipe)

    async def _fetched(self, prediction_id: str) -> Prediction | None:
        try:
            async with asyncio.timeout(_RECIPE_TIMEOUT_S):
                return await self._generator.fetch_state(prediction_id)
        except (problems.Problem, TimeoutError):
            self._is_away = True
            return None


@dataclass(frozen=True)
class Recovery:
    """Imports missed predictions of this installation; with `import_all` those of the whole account.

    Others use the account, too: the owner token in the callback's URL tells which predictions are ours.
    """

    generator: PredictionLister
    intake: Intake
    cluster: Cluster
    tokens: OwnerTokens
    import_all: bool = False

    async def run(self, now: datetime) -> Recovered:
        """Import the outputs; a Problem or UnavailableError ends the run, and the next one goes on."""
        existing = await self.cluster.import_names({names.LABEL_SOURCE: self.generator.name})
        recipes = _Recipes(self.generator)
        checked = imported = 0
        cursor: str | None = ""
        for _ in range(_MAX_PAGES):
            if cursor is None:
                break
            page = await self.generator.list_predictions(cursor)
            checked += len(page.predictions)
            for each in page.predictions:
                if _is_due(each, now) and not _is_known(each, existing):
                    imported += await self._recover(each, recipes)
            reaches_back = any(each.created_at and now - each.created_at > _MAX_RUNTIME for each in page.predictions)
            cursor = None if reaches_back else page.next
        return Recovered(checked, imported)

    async def _recover(self, prediction: Prediction, recipes: _Recipes) -> int:
        """Return the number of created imports."""
        try:
            token = self._token(prediction)
        except InvalidTokenError:
            return 0
        if not _has_media(prediction):
            await self.intake.record_end(prediction, token)
            return 0
        result = await self.intake.accept(await recipes.added_to(prediction), token, recovered=True)
        created = sum(each.created.outcome is CreationOutcome.CREATED for each in result.outputs)
        if created:
            log.warning("a missed prediction was recovered", extra={"prediction": prediction.id, "imports": created})
        return created

    def _token(self, prediction: Prediction) -> OwnerToken | None:
        """Return the owner's token, None for the default user; InvalidTokenError if the prediction is not ours."""
        token = self.tokens.read(text_in(prediction.callback_url))
        if token is None and not self.import_all:
            raise InvalidTokenError("the prediction has no owner token")
        return token


def _is_due(prediction: Prediction, now: datetime) -> bool:
    """Return whether the callback is overdue and the files still live."""
    if prediction.outcome is PredictionOutcome.RUNNING or prediction.completed_at is None:
        return False
    age, lifetime = now - prediction.completed_at, prediction.files_lifetime or _DEFAULT_LIFETIME
    return _CALLBACK_WITHIN <= age < lifetime


def _has_media(prediction: Prediction) -> bool:
    return prediction.outcome is PredictionOutcome.SUCCEEDED and bool(media_outputs(prediction.output))


def _is_known(prediction: Prediction, existing: frozenset[str]) -> bool:
    """Return whether all outputs have their import, or are deleted at the generator; an end without any has none."""
    if not _has_media(prediction):
        return prediction.outcome is PredictionOutcome.SUCCEEDED and prediction.output is None
    identity = (prediction.provider, prediction.id)
    outputs = media_outputs(prediction.output)
    return all(names.prediction_resource_name(*identity, each.pointer) in existing for each in outputs)
