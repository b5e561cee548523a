"""Server-Sent Events of one asset, until it is ready or failed, and of all assets of a user, without an end.

https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from mediaimport_webhook.catalogue import DatabaseUnavailableError
from mediaimport_webhook.routes.waiting import WaitLimiter, changed_or_stopping

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.access.authenticator import Authenticator
    from mediaimport_webhook.catalogue import AssetLookup, Entry, Listing, Presenter
    from mediaimport_webhook.catalogue.changes import Gone
    from mediaimport_webhook.metrics import Metrics

_HEARTBEAT_S = 15.0
_MAX_MISSED = 500
"""Events that a client which reconnects gets one by one; of more it is told to list its assets again."""
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
    """The routes `media/{id}/events` and `events`."""

    authenticator: Authenticator
    listing: Listing
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
        catalogue = self.listing.catalogue
        with self.metrics.event_stream(), catalogue.subscribe(entry.resource_name) as changed:
            current: Entry | None = entry
            while current is not None:
                try:
                    current = await self._current(current)
                except DatabaseUnavailableError:
                    return  # The client comes again, and gets the asset from the cluster or the store.
                if current is None:
                    break
                if str(current.version) != last_event_id:
                    yield await self._event(current)
                    last_event_id = str(current.version)
                if _is_finished(current) or self.stopping.is_set():
                    return
                if not await changed_or_stopping(changed, self.stopping, timeout_s=self.heartbeat_s):
                    yield b": still here\n\n"
        yield b"event: gone\ndata: {}\n\n"

    async def _current(self, entry: Entry) -> Entry | None:
        """Return the entry as it is now, None if it is gone: it may have changed before the subscription.

        DatabaseUnavailableError.
        """
        current = self.listing.catalogue.get(entry.resource_name)
        if current is None and not _is_finished(entry):
            current = next(iter(await self.listing.newest([entry.resource_name])), None)
        # The name may be that of another asset by now, even of another user.
        if current is not None and (current.user_id, current.asset_id) == (entry.user_id, entry.asset_id):
            return current
        # An asset without a resource has its end in its sidecar.
        return entry if _is_finished(entry) else None

    async def _event(self, entry: Entry) -> bytes:
        return _event("asset", await self.presenter.present(entry), version=entry.version)

    async def follow_all(self, request: Request) -> Response:
        """Send each asset of the caller whenever it changes, first those that have changed since Last-Event-ID."""
        caller = await self.authenticator.caller(request)
        if request.method == "HEAD":
            return Response(media_type=_MEDIA_TYPE, headers=_HEADERS)
        self.limiter.admit(caller.user_id)
        events = self._stream_all(caller, request.headers.get("last-event-id"))
        return EventStream(events, self.limiter, caller.user_id)

    async def _stream_all(self, caller: Caller, last_event_id: str | None) -> AsyncIterator[bytes]:
        yield _RETRY
        with self.metrics.event_stream(), self.listing.catalogue.changes.follow(caller.sees) as follower:
            seen = self.listing.catalogue.seen_version
            missed = self._missed(last_event_id, caller.sees)
            while not self.stopping.is_set():
                async for each in self._told(missed, seen=seen):
                    yield each
                if not await changed_or_stopping(follower.changed, self.stopping, timeout_s=self.heartbeat_s):
                    yield b": still here\n\n"
                seen = self.listing.catalogue.seen_version
                missed = follower.take()

    def _missed(self, last_event_id: str | None, user_id: str | None) -> tuple[list[str], list[Gone]] | None:
        """Return what has changed since the client's last event; None if it has to list all: it is new, or late."""
        if last_event_id is None or not last_event_id.isascii() or not last_event_id.isdigit():
            return None
        version = int(last_event_id[:20])
        gone = self.listing.catalogue.changes.gone_since(version, user_id)
        changed = self.listing.catalogue.changed_since(version, user_id)
        if gone is None or version > self.listing.catalogue.seen_version or len(changed) + len(gone) > _MAX_MISSED:
            return None
        return changed, gone

    async def _told(self, missed: tuple[list[str], list[Gone]] | None, *, seen: int) -> AsyncIterator[bytes]:
        """Yield what has changed, and is gone; for None, and while the database is away, that all is to be listed."""
        try:
            changed = None if missed is None else (await self.listing.newest(missed[0]), missed[1])
        except DatabaseUnavailableError:
            changed = None
        if changed is None:
            yield _event("reset", {}, version=seen)
            return
        async for each in self._batch(*changed, seen=seen):
            yield each

    async def _batch(self, entries: list[Entry], gone: list[Gone], *, seen: int) -> AsyncIterator[bytes]:
        """Yield what was there at one moment. Only the last event has an id: whoever has it has all before it."""
        left = len(entries) + len(gone)
        for each in sorted(entries, key=lambda entry: entry.version):
            left -= 1
            yield _event("asset", await self.presenter.present(each), version=None if left else seen)
        for place, one in enumerate(gone, start=1):
            yield _event("gone", {"id": one.asset_id}, version=seen if place == len(gone) else None)


def _event(name: str, content: object, *, version: int | None) -> bytes:
    data = json.dumps(content, separators=(",", ":"))
    line = "" if version is None else f"id: {version}\n"
    return f"{line}event: {name}\ndata: {data}\n\n".encode()


def _is_finished(entry: Entry) -> bool:
    return entry.status != "uploading"
