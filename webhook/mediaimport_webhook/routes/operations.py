"""Operations: imports that are queued, running or failed, as people who run the service look for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.catalogue.operations import summary_of
from mediaimport_webhook.http import bodies, schemas
from mediaimport_webhook.routes.media import database_answers, require_synced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import Entry, Listing, Reflector
    from mediaimport_webhook.catalogue.operations import Summary


@dataclass(frozen=True)
class OperationsRoutes:
    """The route `operations`."""

    authenticator: Authenticator
    listing: Listing
    reflector: Reflector
    namespace: str

    async def show(self, request: Request) -> Response:
        """Return the summary of the caller's imports; of an admin, everybody's, and the namespace that they are in."""
        caller = await self.authenticator.caller(request)
        require_synced(self.reflector)
        catalogue = self.listing.catalogue
        summary = summary_of(catalogue.entries_of(caller.sees), catalogue.recorded.of_user(caller.sees))
        with database_answers():
            newest = await self.listing.newest(each.newest.resource_name for each in summary.failed)
        shown = {each.resource_name: each for each in newest}
        return bodies.JsonResponse(_operations(summary, shown, self.namespace if caller.admin else None))


def _operations(summary: Summary, newest: Mapping[str, Entry], namespace: str | None) -> schemas.Operations:
    return {
        "namespace": namespace,
        "under_way": [
            {"phase": each.phase, "count": each.count, "oldest": [_shown(one) for one in each.oldest]}
            for each in summary.under_way
        ],
        "failed": [
            {"reason": each.reason, "count": each.count, "newest": _shown(newest[each.newest.resource_name])}
            for each in summary.failed
            if each.newest.resource_name in newest
        ],
        "expiring": [_shown(each) for each in summary.expiring],
    }


def _shown(entry: Entry) -> schemas.OperatedImport:
    return {
        "id": entry.asset_id,
        "name": entry.json["name"],
        "user": entry.user_id,
        "import_job_id": entry.resource_name,
        "phase": entry.json["phase"],
        "reason": entry.json["reason"],
        "created_at": entry.created_at,
        "source_expires_at": entry.source_expires_at,
    }
