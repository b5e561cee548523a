"""Server-Sent Events of one asset, until it is ready or failed.

https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from mediaimport_webhook.routes.waiting import WaitLimiter, changed_or_stopping

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import AssetLookup, Catalogue, Entry, Presenter
    from mediaimport_webhook.metrics import Metrics

_HEARTBEAT_S = 15.0
_RETRY = b"retry: 3000\n\n"
_MEDIA_TYPE = "text/event-stream"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """Response that counts as a stream of its user until it ends, however it does."""

    def __init__(self, events: AsyncIterator[bytes], limiter: WaitLimiter, user_id: str) -> None:
        super().__init__(events, media_type=_MEDIA_TYPE, headers=_HEADERS)
        self._limiter = limiter
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        with self._limiter.counted(self._user_id):
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class EventRoutes:
    """The route `media/{id}/events`."""

    authenticator: Authenticator
    catalogue: Catalogue
    lookup: AssetLookup
    presenter: Presenter
    stopping: asyncio.Event
    metrics: Metrics
    limiter: WaitLimiter = field(default_factory=lambda: WaitLimiter(0))
    heartbeat_s: float = _HEARTBEAT_S

    async def follow(self, request: Request) -> Response:
        """Send the asset now and at each change, except the version that Last-Event-ID names.

        204 tells a client that has seen the end not to come again: EventSource reconnects after every other end.
        """
        caller = await self.authenticator.caller(request)
        entry = await self.lookup.find(request.path_params["id"], caller)
        last_event_id = request.headers.get("last-event-id")
        if _is_finished(entry) and last_event_id == str(entry.version):
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=_HEADERS)
        if request.method == "HEAD":
            return Response(media_type=_MEDIA_TYPE, headers=_HEADERS)
        self.limiter.admit(caller.user_id)
        return EventStream(self._stream(entry, last_event_id), self.limiter, caller.user_id)

    async def _stream(self, entry: Entry, last_event_id: str | None) -> AsyncIterator[bytes]:
        yield _RETRY
        with self.metrics.event_stream(), self.catalogue.subscribe(entry.resource_name) as changed:
            current = self._current(entry)
            while current is not None:
                if str(current.version) != last_event_id:
                    yield await self._event(current)
                    last_event_id = str(current.version)
                if _is_finished(current) or self.stopping.is_set():
                    return
                if not await changed_or_stopping(changed, self.stopping, timeout_s=self.heartbeat_s):
                    yield b": still here\n\n"
                current = self._current(current)
        yield b"event: gone\ndata: {}\n\n"

    def _current(self, entry: Entry) -> Entry | None:
        """Return the entry as it is now: it may have changed, ended or gone before the subscription."""
        current = self.catalogue.get(entry.resource_name)
        # The name may be that of another asset by now, even of another user.
        if current is not None and (current.user_id, current.asset_id) == (entry.user_id, entry.asset_id):
            return current
        # An asset without a resource has its end in its sidecar.
        return entry if _is_finished(entry) else None

    async def _event(self, entry: Entry) -> bytes:
        data = json.dumps(await self.presenter.present(entry), separators=(",", ":"))
        return f"id: {entry.version}\nevent: asset\ndata: {data}\n\n".encode()


def _is_finished(entry: Entry) -> bool:
    return entry.status != "uploading"
