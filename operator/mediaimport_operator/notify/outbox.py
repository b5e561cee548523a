"""Outbox: the messages that are still to be delivered, for each endpoint. It is filled from statuses, never stored."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.status import AssetEvent

from mediaimport_operator.decide.notification import GIVEN_UP_AFTER, pending
from mediaimport_operator.notify.message import key_of, message

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_api.status import Delivery, Status

    from mediaimport_operator.notify.message import Key, Message
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.events import Endpoint, EventSettings

_MAX_PAUSE = timedelta(hours=1)
"""The longest wait that an endpoint may ask for by Retry-After."""


@dataclass(frozen=True, order=True)
class _Due:
    at: datetime
    number: int
    key: Key


class EndpointQueue:
    """The messages for one endpoint, by the time of their next try."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], datetime]) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._messages: dict[Key, Message] = {}
        self._heap: list[_Due] = []
        self._number = 0
        self._not_before: datetime | None = None
        self._changed = asyncio.Event()

    def oldest_age_s(self) -> float:
        """Return the age of the oldest event that is still to be delivered; 0 without one."""
        oldest = min((each.at for each in self._messages.values()), default=None)
        return 0.0 if oldest is None else max((self._clock() - oldest).total_seconds(), 0.0)

    def add(self, new: Message) -> None:
        """Add a message; nothing changes if it is known. Its first try is due at once, also after a restart."""
        if new.key not in self._messages:
            self._messages[new.key] = new
            self._push(new.key, self._clock())

    def remove(self, key: Key) -> None:
        """Remove a message, if it is known."""
        self._messages.pop(key, None)

    def again(self, key: Key, at: datetime) -> None:
        """Try a message again at that time."""
        if key in self._messages:
            self._push(key, at)

    def pause(self, wait_s: float) -> None:
        """Send nothing for so long, an hour at most: the endpoint has asked for it."""
        self._not_before = self._clock() + min(timedelta(seconds=wait_s), _MAX_PAUSE)

    async def next(self) -> Message:
        """Return the next message once it is due."""
        while True:
            while self._heap and self._heap[0].key not in self._messages:
                heapq.heappop(self._heap)
            wait_s = self._wait_s()
            if wait_s is not None and wait_s <= 0:
                return self._messages[heapq.heappop(self._heap).key]
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), wait_s)
            except TimeoutError:
                continue

    def _wait_s(self) -> float | None:
        if not self._heap:
            return None
        due = self._heap[0].at
        due = due if self._not_before is None else max(due, self._not_before)
        return (due - self._clock()).total_seconds()

    def _push(self, key: Key, at: datetime) -> None:
        self._number += 1
        heapq.heappush(self._heap, _Due(at, self._number, key))
        self._changed.set()


class Outbox:
    """All endpoints' queues, and the deliveries that have ended: a reconcile writes them to the status."""

    def __init__(
        self, events: EventSettings, *, clock: Callable[[], datetime], on_delivery: Callable[[str], None]
    ) -> None:
        """Take what is called with an import's uid when a delivery has ended."""
        self._events = events
        self._clock = clock
        self._on_delivery = on_delivery
        self._deliveries: dict[str, tuple[Key, dict[str, Delivery]]] = {}
        self._keys: dict[str, Key] = {}
        self.queues = {each.name: EndpointQueue(each, clock) for each in events.endpoints}

    def note(self, resource: Resource, status: Status) -> None:
        """Take in which endpoints the status still wants to tell; what is no longer to be told is forgotten."""
        if not self.queues:
            return
        told = status.notification
        left = pending(status, events=self._events, user_id=resource.user_id)
        if told is None or not left or self._clock() >= told.at + GIVEN_UP_AFTER:
            self.forget(resource.uid)
            return
        key = key_of(resource, status, told)
        if self._keys.get(resource.uid, key) != key:
            self.forget(resource.uid)
        self._keys[resource.uid] = key
        ended = self._ended(key)
        waiting = [self.queues[each] for each in left if each not in ended]
        if any(key not in each._messages for each in waiting):  # noqa: SLF001 - saves the building of known messages
            new = message(resource, status, told)
            for queue in waiting:
                queue.add(new)

    def deliveries(self, resource: Resource) -> tuple[Delivery, ...]:
        """Return the deliveries that have ended of the event of the resource's status.

        Of a resource that is being deleted, those of its deletion: no status of it may be writable any more.
        """
        key, told = self._keys.get(resource.uid), resource.status.notification
        if key is None:
            return ()
        if resource.deleting:
            shown = key[2] is AssetEvent.DELETED
        else:
            shown = told is not None and key == key_of(resource, resource.status, told)
        return tuple(self._ended(key).values()) if shown else ()

    def _ended(self, key: Key) -> dict[str, Delivery]:
        known, ended = self._deliveries.get(key[0], (None, {}))
        return ended if known == key else {}

    def ended(self, key: Key, delivery: Delivery) -> None:
        """Record a delivery that has ended, for the next reconcile."""
        uid = key[0]
        if self._keys.get(uid) != key:
            return
        self._deliveries.setdefault(uid, (key, {}))[1][delivery.endpoint] = delivery
        self._on_delivery(uid)

    def forget(self, uid: str) -> None:
        """Forget an import of which there is nothing to tell."""
        key = self._keys.pop(uid, None)
        self._deliveries.pop(uid, None)
        if key is not None:
            for queue in self.queues.values():
                queue.remove(key)
