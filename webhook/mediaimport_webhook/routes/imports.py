"""Imports that a caller requests: of one URL, and of many."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mediaimport_webhook.access.rate_limit import charge
from mediaimport_webhook.http import bodies, problems, schemas
from mediaimport_webhook.imports.create import CreationOutcome, CreationResult, Imports
from mediaimport_webhook.imports.manifest import requested_manifest
from mediaimport_webhook.routes.idempotency_key import checked_key, idempotency_key
from mediaimport_webhook.routes.one_of_many import FAILURES, problem_of

if TYPE_CHECKING:
    from mediaimport_api.source_policy import SourcePolicy
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.imports.quota import Allowance, Quota
    from mediaimport_webhook.metrics import Metrics

_CONCURRENCY = 8
"""Of the imports of one request that are created at a time."""


@dataclass(frozen=True)
class ImportRoutes:
    """The routes `media/import-from-url` and `media/import-from-urls`."""

    authenticator: Authenticator
    sources: SourcePolicy
    imports: Imports
    quota: Quota
    metrics: Metrics

    async def import_from_url(self, request: Request) -> Response:
        """Create an import for the caller: 202, before anything is downloaded."""
        caller = await self.authenticator.caller(request)
        key = idempotency_key(request)
        body = await bodies.read_model(request, schemas.ImportRequest)
        return accepted(await self._created(caller, body, key, await self.quota.allowance(caller.user_id)))

    async def import_from_urls(self, request: Request) -> Response:
        """Create up to 100 imports for the caller: 200, with the answer to each in their order."""
        caller = await self.authenticator.caller(request)
        body = await bodies.read_model(request, schemas.ImportBatch)
        charge(request.scope, len(body.imports) - 1)
        slots, allowance = asyncio.Semaphore(_CONCURRENCY), await self.quota.allowance(caller.user_id)

        async def answer(item: dict[str, Any]) -> schemas.BatchedImport:
            async with slots:
                return await self._answer(caller, item, allowance)

        return bodies.JsonResponse({"imports": await asyncio.gather(*map(answer, body.imports))})

    async def _answer(self, caller: Caller, item: dict[str, Any], allowance: Allowance) -> schemas.BatchedImport:
        """Return what `import_from_url` answers to one import. Its failure is no failure of the others."""
        try:
            key = checked_key(item.get("idempotency_key"))
            rest = {name: value for name, value in item.items() if name != "idempotency_key"}
            created = await self._created(caller, schemas.ImportRequest.model_validate(rest), key, allowance)
            return {"status": int(HTTPStatus.ACCEPTED), "accepted": accepted_import(created), "problem": None}
        except FAILURES as error:
            problem = problem_of(error)
        return {"status": int(problem.status), "accepted": None, "problem": problem.content()}

    async def _created(
        self, caller: Caller, body: schemas.ImportRequest, key: str | None, allowance: Allowance
    ) -> CreationResult:
        if body.source_headers_secret is not None and not caller.admin:
            raise _admins_only("source_headers_secret")
        refusal = self.sources.url_refusal(body.url)
        if refusal is not None:
            raise problems.invalid([problems.FieldError("/url", refusal)])
        manifest = requested_manifest(body, user_id=caller.user_id, idempotency_key=key)
        try:
            allowance.take(body.expected.size_bytes if body.expected else None)
        except problems.Problem:
            # An import that exists is no new one.
            existing = None if key is None else await self.imports.existing(manifest)
            if existing is None:
                raise
            return existing
        created = await self.imports.create(manifest, ask_store=key is not None)
        self.metrics.requested_import("url", str(created.outcome))
        return created


def _admins_only(field: str) -> problems.Problem:
    """Return 403: the headers of a Secret are those of the installation, not of a user."""
    detail = f"{field} is for admins; leave it out, or ask an admin to import the URL."
    return problems.Problem(HTTPStatus.FORBIDDEN, "admins-only", detail, [problems.FieldError(f"/{field}", detail)])


def accepted(created: CreationResult) -> Response:
    """Return 202 with the import; a Problem if there is none."""
    content = accepted_import(created)
    return bodies.JsonResponse(content, HTTPStatus.ACCEPTED, {"Location": f"/api/v1/media/{content['asset_id']}"})


def accepted_import(created: CreationResult) -> schemas.AcceptedImport:
    """Return the import as responses have it; a Problem if there is none."""
    if created.outcome is CreationOutcome.REFUSED:
        raise problems.Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "import-refused", created.message)
    if created.outcome is CreationOutcome.DELETED:
        raise problems.deleted("asset")
    if created.outcome is CreationOutcome.GONE:
        detail = "The import's resource is gone; only the stored asset is left. Import it again."
        raise problems.Problem(HTTPStatus.CONFLICT, "import-gone", detail)
    if created.entry is None:
        detail = "This Idempotency-Key was used for another import; use a new one."
        raise problems.Problem(HTTPStatus.CONFLICT, "idempotency-key-reused", detail)
    entry = created.entry
    return {"asset_id": entry.asset_id, "import_job_id": entry.resource_name, "status": entry.status}
