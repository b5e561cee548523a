"""Notifier: delivers the outbox's messages. Each endpoint has senders of its own: a slow one delays no other."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

from mediaimport_api.status import Delivery, DeliveryOutcome

from mediaimport_operator.notify.poster import Answer
from mediaimport_operator.notify.schedule import next_try

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_operator.notify.message import Message
    from mediaimport_operator.notify.outbox import Outbox
    from mediaimport_operator.notify.poster import Poster
    from mediaimport_operator.notify.queue import EndpointQueue
    from mediaimport_operator.settings.events import Endpoint

    OnTry = Callable[[str, str], None]

SENDERS = 4
"""Messages that are sent to one endpoint at a time."""
_SENDERS_OF_USERS = 2
"""The same, for an endpoint that a user has made."""
MAX_TO_USERS = 32
"""Messages that are sent to all users' endpoints at a time: each may hold its connection for ten seconds."""
USERS = "_users"
"""All users' own endpoints, where tries are counted: no name of the installer's can be the same."""

log = logging.getLogger(__name__)


class Notifier:
    """Sends messages until it is cancelled."""

    def __init__(  # noqa: PLR0913 - the parts that tests replace
        self,
        outbox: Outbox,
        poster: Poster,
        *,
        clock: Callable[[], datetime],
        users_poster: Poster | None = None,
        on_try: OnTry = lambda endpoint, outcome: None,  # noqa: ARG005 - nobody counts
        max_to_users: int = MAX_TO_USERS,
    ) -> None:
        """Take what counts each try: with the endpoint and `delivered`, `failed` or `given_up`.

        `users_poster` sends to endpoints that users have made, which may be where the installer's may not.
        """
        self._outbox = outbox
        self._poster = poster
        self._users_poster = users_poster or poster
        self._slots = asyncio.Semaphore(max_to_users)
        self._clock = clock
        self._on_try = on_try

    async def run(self) -> None:
        """Send what is due. A cancelled POST is repeated by the next leader, with the same id."""
        served: set[EndpointQueue] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._outbox.opened.clear()
                queues = set(self._outbox.queues.values())
                for queue in queues - served:
                    for _ in range(_SENDERS_OF_USERS if queue.endpoint.owner else SENDERS):
                        tasks.create_task(self._send(queue), name=f"notifier of {queue.endpoint.name}")
                served = queues
                await self._outbox.opened.wait()

    async def _send(self, queue: EndpointQueue) -> None:
        while (message := await queue.next()) is not None:
            try:
                async with self._slots if queue.endpoint.owner else nullcontext():
                    # Its turn may have come late: meanwhile the endpoint may be deleted.
                    if message.key in queue:
                        self._take(queue, message, await self._posted(queue.endpoint, message))
            except Exception:
                log.exception("notification raised an unexpected error", extra={"endpoint": queue.endpoint.name})
                self._failed(queue, message, Answer(error="an error of the operator's own"))

    async def _posted(self, endpoint: Endpoint, message: Message) -> Answer:
        poster = self._users_poster if endpoint.owner else self._poster
        return await poster.post(endpoint.url, message.body, message.headers(endpoint, now=self._clock()))

    def _take(self, queue: EndpointQueue, message: Message, answer: Answer) -> None:
        if answer.accepted:
            queue.succeeded()
            self._end(queue, message, DeliveryOutcome.DELIVERED, answer)
        else:
            self._failed(queue, message, answer)

    def _failed(self, queue: EndpointQueue, message: Message, answer: Answer) -> None:
        now = self._clock()
        if queue.endpoint.owner:
            queue.failed()
        if answer.retry_after_s:
            queue.pause(answer.retry_after_s)
        at = None if answer.gone or message.tried_once else next_try(message.at, now=now)
        details = {"endpoint": queue.endpoint.name, "import": message.name, "error": answer.error}
        log.warning("notification not delivered", extra=details | {"next_try": at and at.isoformat()})
        if at is None:
            self._end(queue, message, DeliveryOutcome.GIVEN_UP, answer)
            return
        self._on_try(_receiver(queue), "failed")
        queue.again(message.key, at)

    def _end(self, queue: EndpointQueue, message: Message, outcome: DeliveryOutcome, answer: Answer) -> None:
        name = queue.endpoint.name
        self._on_try(_receiver(queue), "delivered" if outcome is DeliveryOutcome.DELIVERED else "given_up")
        queue.remove(message.key)
        # A replay's time is the webhook's clock's.
        at = max(self._clock(), message.at)
        delivery = Delivery(endpoint=name, outcome=outcome, at=at, http_status=answer.status)
        self._outbox.ended(message.key, delivery, error=answer.error)


def _receiver(queue: EndpointQueue) -> str:
    return USERS if queue.endpoint.owner else queue.endpoint.name
