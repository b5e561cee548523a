"""Server-Sent Events of one asset, until it is ready or failed.

https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import AssetLookup, Catalogue, Entry, Presenter
    from mediaimport_webhook.metrics import Metrics

_HEARTBEAT_S = 15.0
_RETRY = b"retry: 3000\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class EventRoutes:
    """The route `media/{id}/events`."""

    authenticator: Authenticator
    catalogue: Catalogue
    lookup: AssetLookup
    presenter: Presenter
    stopping: asyncio.Event
    metrics: Metrics
    heartbeat_s: float = _HEARTBEAT_S

    async def follow(self, request: Request) -> Response:
        """Send the asset now and at each change, except the version that Last-Event-ID names."""
        caller = await self.authenticator.caller(request)
        entry = await self.lookup.find(request.path_params["id"], caller)
        stream = self._stream(entry, request.headers.get("last-event-id"))
        return StreamingResponse(stream, media_type="text/event-stream", headers=_HEADERS)

    async def _stream(self, entry: Entry, last_event_id: str | None) -> AsyncIterator[bytes]:
        yield _RETRY
        current: Entry | None = entry
        with self.metrics.event_stream(), self.catalogue.subscribe(entry.resource_name) as changed:
            while current is not None:
                if str(current.version) != last_event_id:
                    yield await self._event(current)
                    last_event_id = str(current.version)
                if current.status != "uploading" or self.stopping.is_set():
                    return
                while not await self._changed(changed):
                    yield b": still here\n\n"
                current = self.catalogue.get(entry.resource_name)
        yield b"event: gone\ndata: {}\n\n"

    async def _event(self, entry: Entry) -> bytes:
        data = json.dumps(await self.presenter.present(entry), separators=(",", ":"))
        return f"id: {entry.version}\nevent: asset\ndata: {data}\n\n".encode()

    async def _changed(self, changed: asyncio.Event) -> bool:
        """Wait for a change or the server's end; return False when only a heartbeat is due."""
        waits = [asyncio.create_task(each.wait()) for each in (changed, self.stopping)]
        try:
            done, _ = await asyncio.wait(waits, timeout=self.heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        changed.clear()
        return bool(done)
