"""Request ids: each answer has one in X-Request-Id, and so has each line that is logged meanwhile."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_runtime.logs import CONTEXT

from mediaimport_webhook.http import request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME = request_id.HEADER.lower().encode()
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


@dataclass(frozen=True)
class RequestId:
    """ASGI middleware. It takes the caller's id if that is short and harmless, else it makes one."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its id in the context."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        chosen = _chosen(scope)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_NAME, chosen.encode())]
            await send(message)

        token = CONTEXT.set({**CONTEXT.get(), request_id.FIELD: chosen})
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            CONTEXT.reset(token)


def _chosen(scope: Scope) -> str:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == _NAME), "")
    return given if _SANE.fullmatch(given) else secrets.token_hex(16)
