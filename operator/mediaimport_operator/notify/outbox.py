"""Outbox: the messages that are still to be delivered, for each endpoint. It is filled from statuses, never stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.event_records import PREDICTION_FAILED
from mediaimport_api.status import AssetEvent

from mediaimport_operator.decide.notification import GIVEN_UP_AFTER, pending
from mediaimport_operator.notify.message import key_of, message
from mediaimport_operator.notify.queue import EndpointQueue

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_api.status import Delivery, Status

    from mediaimport_operator.notify.message import Key, Message
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.events import EventSettings


@dataclass(frozen=True)
class Notice:
    """An event, and the endpoints that are still to be told of it. The message is made only if it is needed."""

    key: Key
    at: datetime
    left: tuple[str, ...]
    message: Callable[[], Message]


class Outbox:
    """All endpoints' queues, and the deliveries that have ended: a reconcile writes them to the status."""

    def __init__(
        self, events: EventSettings, *, clock: Callable[[], datetime], on_delivery: Callable[[str], None]
    ) -> None:
        """Take what is called with an import's uid when a delivery of its event has ended.

        Events of predictions go to `ended_predictions` instead.
        """
        self._events = events
        self._clock = clock
        self._on_delivery = on_delivery
        self._deliveries: dict[str, tuple[Key, dict[str, Delivery]]] = {}
        self._keys: dict[str, Key] = {}
        self.ended_predictions: asyncio.Queue[Key] = asyncio.Queue()
        self.queues = {each.name: EndpointQueue(each, clock) for each in events.endpoints}

    def note(self, resource: Resource, status: Status) -> None:
        """Take in which endpoints the status still wants to tell; what is no longer to be told is forgotten."""
        if not self.queues:
            return
        told = status.notification
        if told is None:
            self.forget(resource.uid)
            return
        left = pending(status, events=self._events, user_id=resource.user_id)
        key = key_of(resource, status, told)
        self.tell(Notice(key, told.at, left, lambda: message(resource, status, told)))

    def tell(self, notice: Notice) -> None:
        """Take in which endpoints are still to be told of an event; one of more than a day ago is forgotten."""
        key = notice.key
        if not notice.left or self._clock() >= notice.at + GIVEN_UP_AFTER:
            self.forget(key[0])
            return
        if self._keys.get(key[0], key) != key:
            self.forget(key[0])
        self._keys[key[0]] = key
        ended = self.ended_of(key)
        waiting = [self.queues[each] for each in notice.left if each not in ended]
        if any(key not in each for each in waiting):
            new = notice.message()
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
            shown = key[2] == AssetEvent.DELETED
        else:
            shown = told is not None and key == key_of(resource, resource.status, told)
        return tuple(self.ended_of(key).values()) if shown else ()

    def ended_of(self, key: Key) -> dict[str, Delivery]:
        """Return the deliveries of an event that have ended, by endpoint, as long as it is known."""
        known, ended = self._deliveries.get(key[0], (None, {}))
        return ended if known == key else {}

    def ended(self, key: Key, delivery: Delivery) -> None:
        """Record a delivery that has ended, for who writes it down."""
        uid = key[0]
        if self._keys.get(uid) != key:
            return
        self._deliveries.setdefault(uid, (key, {}))[1][delivery.endpoint] = delivery
        if key[2] == PREDICTION_FAILED:
            self.ended_predictions.put_nowait(key)
        else:
            self._on_delivery(uid)

    def forget(self, uid: str) -> None:
        """Forget an import, or a prediction, of which there is nothing to tell."""
        key = self._keys.pop(uid, None)
        self._deliveries.pop(uid, None)
        if key is not None:
            for queue in self.queues.values():
                queue.remove(key)
