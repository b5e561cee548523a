"""Jobs: what a user sees of a prediction, from its assets, its recorded end and the generator's own word."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_api.names import LABEL_PREDICTION
from mediaimport_runtime.kubernetes.errors import UnavailableError

from mediaimport_webhook.catalogue import Entry, Query, entry_of
from mediaimport_webhook.catalogue.archive import DatabaseUnavailableError
from mediaimport_webhook.generation.ends import OUTPUTS_WITHIN, End, Ends
from mediaimport_webhook.generation.outputs import generated_tags
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome
from mediaimport_webhook.http import problems, schemas
from mediaimport_webhook.imports.manifest import label_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.catalogue.listing import Listing
    from mediaimport_webhook.cluster import Cluster
    from mediaimport_webhook.generation.owner import Owner, OwnerTokens
    from mediaimport_webhook.generation.states import PredictionStates

log = logging.getLogger(__name__)
_MAX_ASSETS = 500
"""Of a job; intake imports no more."""
_NO_ASSETS = "The prediction succeeded, but no asset of it is there: its output has no media that can be imported."
_STATUS: dict[PredictionOutcome, schemas.JobStatus] = {
    PredictionOutcome.RUNNING: "generating",
    PredictionOutcome.SUCCEEDED: "uploading",
    PredictionOutcome.FAILED: "failed",
}
_WORST_FIRST: tuple[schemas.JobStatus, ...] = ("uploading", "failed", "ready")


@dataclass(frozen=True)
class Job:
    """Prediction with its assets; `provider_status` is the generator's own word."""

    status: schemas.JobStatus
    provider_status: str | None
    outputs_expected: int | None
    error: str | None
    tags: list[str]
    entries: list[Entry]


@dataclass(frozen=True)
class Jobs:
    """Jobs of one generator."""

    provider: str
    states: PredictionStates
    tokens: OwnerTokens
    ends: Ends
    listing: Listing
    cluster: Cluster
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def get(self, prediction_id: str, *, user_id: str | None) -> Job:
        """Return the job of that user, for None of any; a 404 Problem without one, others while nobody can tell."""
        entries = await self._entries(prediction_id, user_id)
        # The assets say all that matters, and outlive the prediction at the generator.
        if entries:
            return await self._of_assets(prediction_id, entries)
        return await self._without_assets(prediction_id, user_id)

    async def _entries(self, prediction_id: str, user_id: str | None) -> list[Entry]:
        """Return the assets, those without a resource, too: a database that does not answer holds up no job."""
        query = Query(job_id=prediction_id, limit=_MAX_ASSETS)
        entries = self.listing.catalogue.page(query, user_id=user_id).entries
        expected = min((each.outputs_expected for each in entries), default=0)
        if len(entries) < (expected or _MAX_ASSETS):
            try:
                entries = (await self.listing.page(query, user_id=user_id)).entries
            except DatabaseUnavailableError as error:
                log.warning("the catalogue's database cannot be read", extra={"error": str(error)})
                if self.listing.catalogue.recorded:
                    entries = await self._with_recorded(entries, prediction_id, user_id)
        return [each for each in entries if each.job_id == prediction_id]

    async def _with_recorded(self, entries: list[Entry], prediction_id: str, user_id: str | None) -> list[Entry]:
        """Return also the assets that the cluster has, and the cache has not whole; UnavailableError."""
        labels = {LABEL_PREDICTION: label_value(prediction_id)}
        page = await self.cluster.list_imports(limit=_MAX_ASSETS, labels=labels)
        found = {each.resource_name: each for each in (*map(entry_of, page.items), *entries)}
        shown = [each for each in found.values() if user_id in {None, each.user_id} and not each.deleted]
        return sorted(shown, key=lambda each: each.order, reverse=True)

    async def _of_assets(self, prediction_id: str, entries: list[Entry]) -> Job:
        """Return a job with assets. Those that are missing may still come, unless the prediction's end is recorded."""
        expected = max(each.outputs_expected for each in entries)
        is_incomplete = len(entries) + self.listing.catalogue.removed_outputs(prediction_id) < expected
        end = await self._end_if_known(prediction_id) if is_incomplete else None
        if end is not None:
            expected = min(expected, max(end.accepted, len(entries)))
        first = datetime.fromisoformat(min(each.created_at for each in entries))
        is_awaited = is_incomplete and end is None and self.clock() - first < OUTPUTS_WITHIN
        statuses = {"uploading"} if is_awaited else {each.status for each in entries}
        return Job(
            status=next(each for each in _WORST_FIRST if each in statuses),
            provider_status=entries[0].provider_status,
            outputs_expected=expected or None,
            error=None,
            tags=list(entries[0].tags),
            entries=entries,
        )

    async def _without_assets(self, prediction_id: str, user_id: str | None) -> Job:
        """Return a job as its recorded end tells it; without one, as the generator and the clock do."""
        try:
            prediction = await self.states.get(prediction_id)
        except problems.Problem:
            end = await self._end(prediction_id)
            if end is None or not _is_visible(end.owner, user_id):
                raise
            return self._ended(end)
        token = None if prediction is None else self.tokens.of_prediction(prediction.callback_url)
        if prediction is None or token is None:
            end = await self._end(prediction_id)
            if end is None or not _is_visible(end.owner, user_id):
                raise problems.not_found("prediction")
            return self._ended(end)
        if not _is_visible(token.owner, user_id):
            raise problems.not_found("prediction")
        return await self._of_prediction(prediction, token.owner)

    async def _of_prediction(self, prediction: Prediction, owner: Owner) -> Job:
        if prediction.outcome is not PredictionOutcome.SUCCEEDED:
            return _job(prediction, owner, _STATUS[prediction.outcome])
        if self.listing.catalogue.removed_outputs(prediction.id):
            return _job(prediction, owner, "ready")
        end = await self._end_if_known(prediction.id)
        if end is not None:
            return self._ended(end)
        completed = prediction.completed_at
        is_late = completed is not None and self.clock() - completed >= OUTPUTS_WITHIN
        return _job(prediction, owner, "failed" if is_late else "uploading")

    def _ended(self, end: End) -> Job:
        """Return a job whose end is recorded. Assets that were accepted, and are not there, were deleted."""
        is_ready = end.accepted or self.listing.catalogue.removed_outputs(end.prediction.id)
        return _job(end.prediction, end.owner, "ready" if is_ready else "failed")

    async def _end(self, prediction_id: str) -> End | None:
        return await self.ends.get(provider=self.provider, prediction=prediction_id)

    async def _end_if_known(self, prediction_id: str) -> End | None:
        """Return the recorded end, None also while the API server does not answer: the job can be told without it."""
        try:
            return await self._end(prediction_id)
        except UnavailableError:
            return None


def _is_visible(owner: Owner, user_id: str | None) -> bool:
    return user_id in {None, owner.user_id}


def _job(prediction: Prediction, owner: Owner, status: schemas.JobStatus) -> Job:
    """Return a job without assets."""
    is_empty = status == "failed" and prediction.outcome is PredictionOutcome.SUCCEEDED
    return Job(
        status=status,
        provider_status=prediction.state,
        outputs_expected=None,
        error=_NO_ASSETS if is_empty else prediction.error,
        tags=generated_tags(owner.tags),
        entries=[],
    )
