"""Request ids: each answer has one in X-Request-Id, and so has each line that is logged meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from mediaimport_runtime.logs import CONTEXT
from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
FIELD = "request_id"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


def current() -> str | None:
    """Return the id of the request that is answered now, None outside of one."""
    return CONTEXT.get().get(FIELD)


@dataclass(frozen=True)
class RequestId:
    """ASGI middleware. It takes the caller's id if that is short and harmless, else it makes one."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its id in the context."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = CONTEXT.set({**CONTEXT.get(), FIELD: request_id})
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            CONTEXT.reset(token)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(HEADER, "")
    return given if _SANE.fullmatch(given) else uuid4().hex
