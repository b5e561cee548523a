"""Assets: import one from a URL, list them, show one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from mediaimport_webhook.catalogue.query import encode_cursor, parse_query
from mediaimport_webhook.http import bodies
from mediaimport_webhook.http.problems import FieldError, Problem, deleted, invalid, unavailable
from mediaimport_webhook.http.responses import JsonAnswer
from mediaimport_webhook.imports.create import Creation, ImportRequest, requested_manifest

if TYPE_CHECKING:
    from mediaimport_api.source_policy import SourcePolicy
    from starlette.requests import Request

    from mediaimport_webhook.access.gate import Gate
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.lookup import Reads
    from mediaimport_webhook.catalogue.presenter import Presenter
    from mediaimport_webhook.catalogue.reflector import Reflector
    from mediaimport_webhook.imports.create import Created, Imports
    from mediaimport_webhook.imports.delete import Deletions
    from mediaimport_webhook.metrics import Metrics

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class MediaRoutes:
    """The routes under `media`."""

    gate: Gate
    sources: SourcePolicy
    imports: Imports
    deletions: Deletions
    catalogue: Catalogue
    reads: Reads
    presenter: Presenter
    reflector: Reflector
    metrics: Metrics

    async def import_from_url(self, request: Request) -> Response:
        """Create an import for the caller: 202, before anything is fetched."""
        caller = await self.gate.caller(request)
        key = _idempotency_key(request)
        wanted = await bodies.read_as(request, ImportRequest)
        refusal = self.sources.url_refusal(wanted.url)
        if refusal is not None:
            raise invalid([FieldError("/url", refusal)])
        manifest = requested_manifest(wanted, user_id=caller.user_id, key=key)
        created = await self.imports.create(manifest, first=key is None)
        self.metrics.imported("url", created.creation)
        return _accepted(created)

    async def list_assets(self, request: Request) -> Response:
        """Answer the caller's assets, newest first, one page."""
        caller = await self.gate.caller(request)
        query = parse_query(request.query_params.multi_items())
        user_id = query.user if caller.admin else caller.user_id
        self._must_be_synced()
        page = self.catalogue.newest(user_id=user_id, limit=query.limit, after=query.after, wanted=query.wants)
        assets = [await self.presenter.present(each) for each in page.entries]
        content = {"assets": assets, "next": encode_cursor(page.last) if page.last else None}
        return JsonAnswer(content, headers=self._age())

    async def show(self, request: Request) -> Response:
        """Answer one asset of the caller."""
        caller = await self.gate.caller(request)
        entry = await self.reads.asset(request.path_params["id"], caller)
        download = _flag(request, "download")
        return JsonAnswer(await self.presenter.present(entry, download=download), headers=self._age())

    async def retry(self, request: Request) -> Response:
        """Ask for another run of an import that is over: 202."""
        caller = await self.gate.caller(request)
        entry = await self.reads.asset(request.path_params["id"], caller)
        if entry.status == "uploading":
            raise Problem(HTTPStatus.CONFLICT, "still-running", "The import is still under way; wait for its end.")
        return _accepted(await self.imports.run_again(entry))

    async def delete(self, request: Request) -> Response:
        """Delete an asset and all that is stored of it: 202, the stored objects go within seconds."""
        caller = await self.gate.caller(request)
        entry = await self.reads.asset(request.path_params["id"], caller)
        await self.deletions.delete(entry)
        return Response(status_code=HTTPStatus.ACCEPTED)

    def _must_be_synced(self) -> None:
        """Refuse to show a list that lacks what was not read yet."""
        if not self.reflector.synced.is_set():
            raise unavailable("The API server")

    def _age(self) -> dict[str, str]:
        """Return how old a read is, in seconds, while the API server does not answer."""
        stale_s = self.reflector.stale_s
        return {} if stale_s is None else {"Age": str(stale_s)}


def _flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false")
    if value not in {"true", "false"}:
        raise invalid([FieldError(f"?{name}", "must be true or false")])
    return value == "true"


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and _KEY.fullmatch(key) is None:
        detail = "Idempotency-Key must be 1 to 255 visible ASCII characters."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid-idempotency-key", detail)
    return key


def _accepted(created: Created) -> Response:
    if created.creation is Creation.REFUSED:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "import-refused", created.message)
    if created.creation is Creation.DELETED:
        raise deleted("asset")
    if created.creation is Creation.GONE:
        detail = "The import's resource is gone, only the stored asset is left; import it anew."
        raise Problem(HTTPStatus.CONFLICT, "import-gone", detail)
    if created.entry is None:
        detail = "This Idempotency-Key was used for another import; use a new one."
        raise Problem(HTTPStatus.CONFLICT, "idempotency-key-reused", detail)
    entry = created.entry
    content: dict[str, Any] = {
        "asset_id": entry.asset_id,
        "import_job_id": entry.resource_name,
        "status": entry.status,
    }
    return JsonAnswer(content, HTTPStatus.ACCEPTED, {"Location": f"/api/v1/media/{entry.asset_id}"})
