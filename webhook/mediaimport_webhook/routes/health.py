"""Whether the process lives, and whether it may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.http.responses import JsonAnswer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.reflector import Reflector


@dataclass(frozen=True)
class HealthRoutes:
    """The routes that Kubernetes asks."""

    reflector: Reflector
    catalogue: Catalogue

    async def alive(self, _: Request) -> Response:
        """Answer as long as the event loop turns."""
        return JsonAnswer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Answer 200 once the cache is in; it stays so when the API server goes: reads go on, and say how old."""
        synced, age_s = self.reflector.synced.is_set(), self.reflector.last_event_age_s
        content = {
            "synced": synced,
            "last_event_age_s": None if age_s is None else round(age_s, 1),
            "imports": len(self.catalogue),
        }
        return JsonAnswer(content, HTTPStatus.OK if synced else HTTPStatus.SERVICE_UNAVAILABLE)
