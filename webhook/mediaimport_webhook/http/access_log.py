"""One line, and one count, a request: what, how it ended, how long it took. No query, no header, no body."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.metrics import UNROUTED

if TYPE_CHECKING:
    from mediaimport_runtime.logs import Lines
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mediaimport_webhook.metrics import Metrics

_QUIET = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True)
class AccessLog:
    """ASGI middleware."""

    app: ASGIApp
    metrics: Metrics
    lines: Lines | None
    """None where requests are not logged."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log its end."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            duration_s, route = time.monotonic() - started, _route(scope)
            if self.lines is not None:
                path, duration_ms = scope["path"][:512], round(duration_s * 1000, 1)
                about = {"method": scope["method"], "path": path, "status": status, "duration_ms": duration_ms}
                self.lines.write(about)
            counted_s = None if route.endswith("/events") else duration_s
            self.metrics.request(method=scope["method"], route=route, status=status, duration_s=counted_s)


def _route(scope: Scope) -> str:
    """Return the route's pattern, never the path that was asked for."""
    route = scope.get("route")
    return getattr(route, "path", UNROUTED)
