"""Access log: one line and one count for each request, without its query, headers and body."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.metrics import UNROUTED, Metrics

if TYPE_CHECKING:
    from mediaimport_runtime.logs import Lines
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROBES = frozenset({"/healthz", "/readyz"})
_MAX_PATH = 512
_WAITED = "mediaimport.waited"


def mark_waited(scope: Scope) -> None:
    """Note that a request took its time because it was to wait: that is no latency."""
    scope[_WAITED] = True


@dataclass(frozen=True)
class AccessLog:
    """ASGI middleware."""

    app: ASGIApp
    metrics: Metrics
    lines: Lines | None
    """None where requests are not logged."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and record its end."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.monotonic()

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            self._record(scope, status, time.monotonic() - started)

    def _record(self, scope: Scope, status: int, duration_s: float) -> None:
        method, route = scope["method"], _route(scope)
        if self.lines is not None:
            path, duration_ms = scope["path"][:_MAX_PATH], round(duration_s * 1000, 1)
            self.lines.write({"method": method, "path": path, "status": status, "duration_ms": duration_ms})
        # An event stream lasts as long as its import, and a request that waits as long as it asks for.
        observed_s = None if route.endswith("/events") or scope.get(_WAITED, False) else duration_s
        self.metrics.request(method=method, route=route, status=status, duration_s=observed_s)


def _route(scope: Scope) -> str:
    """Return the route's pattern, never the requested path: the number of patterns is bounded."""
    route = scope.get("route")
    return getattr(route, "path", UNROUTED)
