"""Liveness and readiness."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.http import bodies

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.catalogue import Catalogue, Reflector


@dataclass(frozen=True)
class HealthRoutes:
    """The routes of Kubernetes' probes."""

    reflector: Reflector
    catalogue: Catalogue

    async def alive(self, _: Request) -> Response:
        """Return 200 as long as the event loop runs."""
        return bodies.JsonResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Return 200 once the cache is synced, also without an API server: reads go on, with their age."""
        synced, age_s = self.reflector.synced.is_set(), self.reflector.last_event_age_s
        content = {
            "synced": synced,
            "last_event_age_s": None if age_s is None else round(age_s, 1),
            "imports": len(self.catalogue),
        }
        return bodies.JsonResponse(content, HTTPStatus.OK if synced else HTTPStatus.SERVICE_UNAVAILABLE)
