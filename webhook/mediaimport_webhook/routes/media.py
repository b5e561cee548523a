"""Assets: list, show, retry, delete; statistics."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from mediaimport_webhook.catalogue import (
    AssetLookup,
    Catalogue,
    DatabaseUnavailableError,
    Entry,
    Listing,
    Presenter,
    Query,
    Reflector,
    parse_query,
)
from mediaimport_webhook.catalogue.overlay import editable
from mediaimport_webhook.http import bodies, problems, schemas
from mediaimport_webhook.http.conditional import is_conditional, tagged, tagged_text
from mediaimport_webhook.http.middleware.access_log import mark_waited
from mediaimport_webhook.routes.imports import accepted
from mediaimport_webhook.routes.waiting import WaitLimiter, changed_or_stopping
from mediaimport_webhook.settings import user_id_refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from starlette.requests import Request

    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue.totals import Total
    from mediaimport_webhook.imports.create import Imports
    from mediaimport_webhook.imports.delete import Deletions
    from mediaimport_webhook.metrics import Metrics

log = logging.getLogger(__name__)
_FAILURES = Query(status="failed", limit=10)
_MAX_WAIT_S = 60


@dataclass(frozen=True)
class MediaRoutes:
    """The routes under `media`, and `stats`."""

    authenticator: Authenticator
    imports: Imports
    deletions: Deletions
    catalogue: Catalogue
    listing: Listing
    lookup: AssetLookup
    presenter: Presenter
    reflector: Reflector
    metrics: Metrics
    stopping: asyncio.Event
    waits: WaitLimiter

    async def list_assets(self, request: Request) -> Response:
        """Return one page of the caller's assets."""
        caller = await self.authenticator.caller(request)
        query = parse_query(request.query_params.multi_items(), caller=caller.user_id)
        user_id = query.user if caller.admin else caller.user_id
        require_synced(self.reflector)
        with database_answers():
            page = await self.listing.page(query, user_id=user_id)
        assets = await self.presenter.encode(page.entries)
        following = bodies.encoded(query.cursor(page.last) if page.last else None)
        body = b'{"assets":[%b],"next":%b}' % (b",".join([each.json for each in assets]), following)
        return tagged_text(request, body, self._age(), told=b"".join([following, *(each.digest for each in assets)]))

    async def show(self, request: Request) -> Response:
        """Return one asset of the caller; with `wait`, once its import has ended or differs from If-None-Match."""
        caller = await self.authenticator.caller(request)
        wait_s, download = _show_parameters(request)
        entry = await self._find(request, caller)
        if wait_s == 0 or entry.status != "uploading":
            return await self._shown(request, entry, download=download)
        self.waits.admit(caller.user_id)
        mark_waited(request.scope)
        with self.waits.counted(caller.user_id), self.metrics.waiting_request():
            return await self._awaited(request, caller, entry, download=download, end=time.monotonic() + wait_s)

    async def _shown(self, request: Request, entry: Entry, *, download: bool) -> Response:
        content = await self.presenter.present_whole(entry, download=download)
        return tagged(request, content, self._age(), state=editable(entry))

    async def _awaited(self, request: Request, caller: Caller, entry: Entry, *, download: bool, end: float) -> Response:
        """Return the asset at its import's end, the caller's next version, that time or the server's end."""
        while True:
            with self.catalogue.subscribe(entry.resource_name) as changed:
                # Found anew after the subscription, so that no change is missed.
                entry = await self._find(request, caller)
                response = await self._shown(request, entry, download=download)
                is_new = is_conditional(request) and response.status_code != HTTPStatus.NOT_MODIFIED
                left_s = end - time.monotonic()
                if is_new or entry.status != "uploading" or left_s <= 0 or self.stopping.is_set():
                    return response
                await changed_or_stopping(changed, self.stopping, timeout_s=left_s)

    async def retry(self, request: Request) -> Response:
        """Request another run of a finished import: 202."""
        caller = await self.authenticator.caller(request)
        entry = await self._find(request, caller)
        if entry.status == "uploading":
            raise problems.Problem(
                HTTPStatus.CONFLICT, "still-running", "The import is still running; wait for its end."
            )
        return accepted(await self.imports.retry(entry))

    async def delete(self, request: Request) -> Response:
        """Delete an asset: 202; the operator deletes the stored objects within seconds."""
        caller = await self.authenticator.caller(request)
        entry = await self._find(request, caller)
        with database_answers():
            await self.deletions.delete(entry)
        return Response(status_code=HTTPStatus.ACCEPTED)

    async def stats(self, request: Request) -> Response:
        """Return counts, bytes and the newest failures of the caller's assets."""
        caller = await self.authenticator.caller(request)
        require_synced(self.reflector)
        with database_answers():
            totals = await self.listing.totals(user_id=caller.sees)
            failures = await self.listing.page(_FAILURES, user_id=caller.sees)
        return bodies.JsonResponse(_stats(totals, failures.entries))

    async def _find(self, request: Request, caller: Caller) -> Entry:
        return await find_asset(request, caller, self.lookup)

    def _age(self) -> dict[str, str]:
        """Return the Age header while the API server does not answer."""
        stale_s = self.reflector.stale_s
        return {} if stale_s is None else {"Age": str(stale_s)}


async def find_asset(request: Request, caller: Caller, lookup: AssetLookup) -> Entry:
    """Return the asset that the path names; a 404 or 410 Problem."""
    user = request.path_params.get("user")
    if user is not None and user_id_refusal(user) is not None:
        raise problems.not_found("asset")
    return await lookup.find(request.path_params["id"], caller, user=user)


def require_synced(reflector: Reflector) -> None:
    """Raise the 503 Problem while the first list is incomplete."""
    if not reflector.synced.is_set():
        raise problems.unavailable("The API server")


@contextmanager
def database_answers() -> Iterator[None]:
    """Raise the 503 Problem if the catalogue's database does not."""
    try:
        yield
    except DatabaseUnavailableError as error:
        log.warning("the catalogue's database does not answer", extra={"error": str(error)})
        raise problems.unavailable("The catalogue's database") from None


def _show_parameters(request: Request) -> tuple[int, bool]:
    """Return the seconds to wait, 0 for none, and whether the URL is for a download."""
    # Most reads have no query, and Starlette's parser takes a while to find none.
    if not request.scope["query_string"]:
        return 0, False
    return _wait_parameter(request), _boolean_parameter(request, "download")


def _wait_parameter(request: Request) -> int:
    """Return the seconds to wait, 0 for none."""
    text = request.query_params.get("wait", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) <= _MAX_WAIT_S):  # noqa: PLR2004 - digits of the maximum
        raise problems.invalid([problems.FieldError("?wait", f"must be a whole number from 0 to {_MAX_WAIT_S}")])
    return int(text)


def _boolean_parameter(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false")
    if value not in {"true", "false"}:
        raise problems.invalid([problems.FieldError(f"?{name}", "must be true or false")])
    return value == "true"


def _stats(totals: list[Total], failures: list[Entry]) -> schemas.Stats:
    statuses, types = Counter[str](), Counter[str]()
    for each in totals:
        statuses[each.status] += each.count
        types[each.file_type or "unknown"] += each.count
    return {
        "total": statuses.total(),
        "by_status": {"uploading": statuses["uploading"], "ready": statuses["ready"], "failed": statuses["failed"]},
        "by_type": dict(types),
        "stored_bytes": sum(each.size_bytes for each in totals if each.status == "ready"),
        "recent_failures": [
            {
                "id": each.asset_id,
                "name": each.json["name"],
                "reason": each.json["reason"],
                "error": each.json["metadata"]["error"],
                "created_at": each.created_at,
            }
            for each in failures
        ],
    }
