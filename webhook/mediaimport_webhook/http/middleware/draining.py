"""Drain: while the server ends, each answer closes its connection, so that no proxy sends another request on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class CloseWhileDraining:
    """ASGI middleware."""

    app: ASGIApp
    stopping: asyncio.Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer with `Connection: close` once the server drains."""

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self.stopping.is_set():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self.app(scope, receive, send_and_close)
