"""One line a request: what, how it ended, how long it took. No query, no header, no body."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)
_QUIET = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True)
class AccessLog:
    """ASGI middleware."""

    app: ASGIApp

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
            duration_ms = round((time.monotonic() - started) * 1000, 1)
            fields = {"method": scope["method"], "path": scope["path"][:512], "status": status}
            _LOG.info("request", extra=fields | {"duration_ms": duration_ms})
