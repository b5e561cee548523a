"""Numbers over all assets that the caller sees."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from mediaimport_webhook.http.problems import unavailable
from mediaimport_webhook.http.responses import JsonAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.gate import Gate
    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.reflector import Reflector
    from mediaimport_webhook.http.schemas import Stats

_FAILURES_SHOWN = 10


@dataclass(frozen=True)
class StatsRoutes:
    """The route `stats`."""

    gate: Gate
    catalogue: Catalogue
    reflector: Reflector

    async def show(self, request: Request) -> Response:
        """Answer counts, bytes and the newest failures."""
        caller = await self.gate.caller(request)
        if not self.reflector.synced.is_set():
            raise unavailable("The API server")
        return JsonAnswer(_stats(list(self.catalogue.all_of(caller.sees))))


def _stats(entries: list[Entry]) -> Stats:
    statuses = Counter[str](each.status for each in entries)
    return {
        "total": len(entries),
        "by_status": {"uploading": statuses["uploading"], "ready": statuses["ready"], "failed": statuses["failed"]},
        "by_type": dict(Counter(each.type or "unknown" for each in entries)),
        "stored_bytes": sum(each.size_bytes for each in entries if each.status == "ready"),
        "recent_failures": [
            {
                "id": each.asset_id,
                "name": each.document["name"],
                "reason": each.document["reason"],
                "error": each.document["metadata"]["error"],
                "created_at": each.created_at,
            }
            for each in islice(_failed(entries), _FAILURES_SHOWN)
        ],
    }


def _failed(entries: Iterable[Entry]) -> Iterable[Entry]:
    return (each for each in entries if each.status == "failed")
