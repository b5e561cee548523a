"""Takedown: deletion of all assets of a prediction."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue import Query
from mediaimport_webhook.http import bodies, schemas
from mediaimport_webhook.routes.media import database_answers, require_synced
from mediaimport_webhook.routes.one_of_many import FAILURES, problem_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import Entry, Listing, Reflector
    from mediaimport_webhook.http.problem_types import ProblemDetails
    from mediaimport_webhook.imports.delete import Deletions

log = logging.getLogger(__name__)
_MAX_ASSETS = 500
"""Of one request; a prediction has no more, but predictions of two generators may share an id."""
_CONCURRENCY = 10


@dataclass(frozen=True)
class TakedownRoutes:
    """The route `predictions/{job_id}/media`."""

    authenticator: Authenticator
    reflector: Reflector
    listing: Listing
    deletions: Deletions

    async def delete_assets(self, request: Request) -> Response:
        """Delete a prediction's assets, the caller's or for an admin everybody's: 200, with the answer to each."""
        caller = await self.authenticator.caller(request)
        prediction_id = request.path_params["job_id"]
        require_synced(self.reflector)
        with database_answers():
            page = await self.listing.page(Query(job_id=prediction_id, limit=_MAX_ASSETS), user_id=caller.sees)
        # An import of that name is found, too.
        entries = [each for each in page.entries if each.job_id == prediction_id]
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def answer(entry: Entry) -> schemas.DeletedAsset:
            async with slots:
                return await self._delete(entry)

        assets = await asyncio.gather(*map(answer, entries))
        about = {"prediction": prediction_id, "caller": caller.user_id, "assets": [each["id"] for each in assets]}
        log.info("the assets of a prediction were deleted", extra=about)
        return bodies.JsonResponse({"assets": assets, "more": page.last is not None})

    async def _delete(self, entry: Entry) -> schemas.DeletedAsset:
        try:
            await self.deletions.delete(entry)
        except FAILURES as error:
            problem = problem_of(error)
            return _answer(entry, problem.status, problem.content())
        return _answer(entry, HTTPStatus.ACCEPTED, None)


def _answer(entry: Entry, status: int, problem: ProblemDetails | None) -> schemas.DeletedAsset:
    return {"id": entry.asset_id, "user": entry.user_id, "status": int(status), "problem": problem}
