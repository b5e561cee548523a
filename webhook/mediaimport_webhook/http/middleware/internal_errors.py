"""Boundary of unforeseen exceptions: inside all other middleware, so that a 500 has the headers of every answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
_CLIENT_CLOSED = 499
"""nginx's status of a request whose sender hung up: nobody reads it, but it is logged, counted and charged."""


@dataclass(frozen=True)
class InternalErrors:
    """ASGI middleware."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log an exception and answer 500, unless an answer has begun. A hang-up is no error."""
        is_started = False

        async def send_and_note_start(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_start)
        except ClientDisconnect:
            if not is_started:
                await Response(status_code=_CLIENT_CLOSED)(scope, receive, send)
        except Exception:
            if is_started or scope["type"] != "http":
                raise
            log.exception("a request failed", extra={"method": scope["method"]})
            await problems.internal_error().response()(scope, receive, send)
