"""Boundary of unforeseen exceptions: inside all other middleware, so that a 500 has the headers of every answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InternalErrors:
    """ASGI middleware."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log an exception and answer 500, unless an answer has begun."""
        is_started = False

        async def send_and_note_start(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_start)
        except Exception:
            if is_started or scope["type"] != "http":
                raise
            log.exception("a request failed", extra={"method": scope["method"]})
            await problems.internal_error().response()(scope, receive, send)
