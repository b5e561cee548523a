"""Outbox: the messages that are still to be delivered, for each endpoint. It is filled from statuses, never stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediaimport_api.event_records import PREDICTION_FAILED, WEBHOOK_TEST
from mediaimport_api.status import AssetEvent

from mediaimport_operator.decide.notification import GIVEN_UP_AFTER, pending
from mediaimport_operator.notify.message import key_of, message
from mediaimport_operator.notify.queue import EndpointQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mediaimport_api.status import Delivery, Status

    from mediaimport_operator.notify.endpoints import Endpoints
    from mediaimport_operator.notify.message import Key, Message
    from mediaimport_operator.observe.resource import Resource


_OF_RECORDS = frozenset({PREDICTION_FAILED, WEBHOOK_TEST})
"""Types of events that are about no import."""


@dataclass(frozen=True)
class Notice:
    """An event, and the endpoints that are still to be told of it. The message is made only if it is needed."""

    key: Key
    user_id: str
    left: Mapping[str, datetime]
    """The names of the endpoints, and from when their tries count."""
    message: Callable[[], Message]


class Outbox:
    """All endpoints' queues, and the deliveries that have ended: a reconcile writes them to the status."""

    def __init__(
        self, endpoints: Endpoints, *, clock: Callable[[], datetime], on_delivery: Callable[[str], None]
    ) -> None:
        """Take what is called with an import's uid when a delivery of its event has ended, or its endpoints change.

        Events of predictions go to `ended_predictions` instead, tests of endpoints to `ended_tests`.
        """
        self._endpoints = endpoints
        self._clock = clock
        self._on_delivery = on_delivery
        self._deliveries: dict[str, tuple[Key, dict[str, Delivery]]] = {}
        self._keys: dict[str, Key] = {}
        self._subjects: dict[str, set[str]] = {}
        """Subjects of which something is still to be told, by user."""
        self._users: dict[str, str] = {}
        self.ended_predictions: asyncio.Queue[Key] = asyncio.Queue()
        self.ended_tests: asyncio.Queue[tuple[Key, Delivery, str]] = asyncio.Queue()
        self.queues = {name: EndpointQueue(each, clock) for name, each in endpoints.installed.items()}
        self.opened = asyncio.Event()
        """Set when an endpoint of a user gets a queue."""
        self._owned: dict[str, set[str]] = {}
        """The names of queues of users' own endpoints, by user."""
        endpoints.on_change.append(self._changed)

    def note(self, resource: Resource, status: Status) -> None:
        """Take in which endpoints the status still wants to tell; what is no longer to be told is forgotten."""
        told = status.notification
        if told is None:
            self.forget(resource.uid)
            return
        left = pending(status, events=self._endpoints.of(resource.user_id), user_id=resource.user_id)
        key = key_of(resource, status, told)
        self.tell(Notice(key, resource.user_id, left, lambda: message(resource, status, told)))

    def tell(self, notice: Notice) -> None:
        """Take in which endpoints are still to be told of an event; one of more than a day ago is forgotten."""
        key, now = notice.key, self._clock()
        left = {name: at for name, at in notice.left.items() if now < at + GIVEN_UP_AFTER}
        if not left:
            self.forget(key[0])
            return
        if self._keys.get(key[0], key) != key:
            self.forget(key[0])
        self._keys[key[0]], self._users[key[0]] = key, notice.user_id
        self._subjects.setdefault(notice.user_id, set()).add(key[0])
        ended = self.ended_of(key)
        waiting = {
            name: self._queue(name, notice.user_id)
            for name, at in left.items()
            if name not in ended or ended[name].at < at
        }
        if any(not queue.holds(key, left[name]) for name, queue in waiting.items()):
            new = notice.message()
            for name, queue in waiting.items():
                queue.add(replace(new, at=left[name]))

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

    def ended(self, key: Key, delivery: Delivery, *, error: str = "") -> None:
        """Record a delivery that has ended, for who writes it down; `error` is that of a test in vain."""
        uid = key[0]
        if self._keys.get(uid) != key:
            return
        self._deliveries.setdefault(uid, (key, {}))[1][delivery.endpoint] = delivery
        if key[2] == PREDICTION_FAILED:
            self.ended_predictions.put_nowait(key)
        elif key[2] == WEBHOOK_TEST:
            self.ended_tests.put_nowait((key, delivery, error))
        else:
            self._on_delivery(uid)

    def forget(self, subject: str) -> None:
        """Forget an import, or a prediction, of which there is nothing to tell."""
        key, user_id = self._keys.pop(subject, None), self._users.pop(subject, "")
        self._deliveries.pop(subject, None)
        if key is None:
            return
        subjects = self._subjects[user_id]
        subjects.discard(subject)
        if not subjects:
            del self._subjects[user_id]
        for queue in [*map(self.queues.get, self._endpoints.installed), *map(self.queues.get, self._own(user_id))]:
            if queue is not None:
                queue.remove(key)
                self._close_if_idle(queue)

    def oldest_age_of_users_s(self) -> float:
        """Return the age of the oldest event that is still to be delivered to a user's own endpoint; 0 without one."""
        return max((each.oldest_age_s() for each in self.queues.values() if each.endpoint.owner), default=0.0)

    def _queue(self, name: str, user_id: str) -> EndpointQueue:
        if (queue := self.queues.get(name)) is None:
            queue = self.queues[name] = EndpointQueue(self._endpoints.own(user_id)[name], self._clock)
            self._owned.setdefault(user_id, set()).add(name)
            self.opened.set()
        return queue

    def _own(self, user_id: str) -> list[str]:
        return sorted(self._owned.get(user_id, ()))

    def _close_if_idle(self, queue: EndpointQueue) -> None:
        """Close the queue of a user's endpoint that has nothing left: there may be thousands."""
        if queue.endpoint.owner and queue.is_empty:
            self._close(queue)

    def _close(self, queue: EndpointQueue) -> None:
        name, user_id = queue.endpoint.name, queue.endpoint.owner
        queue.close()
        del self.queues[name]
        self._owned[user_id].discard(name)
        if not self._owned[user_id]:
            del self._owned[user_id]

    def _changed(self, user_id: str) -> None:
        """Take in that a user has made or deleted endpoints; what they are still to be told is decided anew."""
        own = self._endpoints.own(user_id)
        for name in self._own(user_id):
            if name in own:
                self.queues[name].endpoint = own[name]
            else:
                self._close(self.queues[name])
        for subject in self._subjects.get(user_id, ()):
            if self._keys[subject][2] not in _OF_RECORDS:
                self._on_delivery(subject)
