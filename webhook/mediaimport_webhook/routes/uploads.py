"""Uploads: a presigned PUT for a caller's file, and its import."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.http import bodies, schemas
from mediaimport_webhook.routes.imports import accepted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.metrics import Metrics
    from mediaimport_webhook.uploads import Uploads


@dataclass(frozen=True)
class UploadRoutes:
    """The routes under `media/uploads`."""

    authenticator: Authenticator
    uploads: Uploads
    metrics: Metrics

    async def begin(self, request: Request) -> Response:
        """Return a presigned PUT for the caller's file: 201."""
        caller = await self.authenticator.caller(request)
        body = await bodies.read_model(request, schemas.UploadRequest)
        return bodies.JsonResponse(await self.uploads.begin(body, user_id=caller.user_id), HTTPStatus.CREATED)

    async def complete(self, request: Request) -> Response:
        """Create the import of an uploaded file: 202, however often."""
        caller = await self.authenticator.caller(request)
        created = await self.uploads.complete(request.path_params["id"], caller)
        self.metrics.requested_import("upload", str(created.outcome))
        return accepted(created)
