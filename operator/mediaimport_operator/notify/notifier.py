"""Notifier: delivers the outbox's messages. Each endpoint has senders of its own: a slow one delays no other."""

from __future__ import annotations

import asyncio
import logging
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

    OnTry = Callable[[str, str], None]

SENDERS = 4
"""Messages that are sent to one endpoint at a time."""

log = logging.getLogger(__name__)


class Notifier:
    """Sends messages until it is cancelled."""

    def __init__(
        self,
        outbox: Outbox,
        poster: Poster,
        *,
        clock: Callable[[], datetime],
        on_try: OnTry = lambda endpoint, outcome: None,  # noqa: ARG005 - nobody counts
    ) -> None:
        """Take what counts each try: with the endpoint and `delivered`, `failed` or `given_up`."""
        self._outbox = outbox
        self._poster = poster
        self._clock = clock
        self._on_try = on_try

    async def run(self) -> None:
        """Send what is due. A cancelled POST is repeated by the next leader, with the same id."""
        async with asyncio.TaskGroup() as tasks:
            for queue in self._outbox.queues.values():
                for _ in range(SENDERS):
                    tasks.create_task(self._send(queue), name=f"notifier of {queue.endpoint.name}")

    async def _send(self, queue: EndpointQueue) -> None:
        while True:
            message = await queue.next()
            try:
                await self._try(queue, message)
            except Exception:
                log.exception("notification raised an unexpected error", extra={"endpoint": queue.endpoint.name})
                self._failed(queue, message, Answer(error="an error of the operator's own"))

    async def _try(self, queue: EndpointQueue, message: Message) -> None:
        endpoint = queue.endpoint
        answer = await self._poster.post(endpoint.url, message.body, message.headers(endpoint, now=self._clock()))
        if answer.accepted:
            self._end(queue, message, DeliveryOutcome.DELIVERED, answer)
        else:
            self._failed(queue, message, answer)

    def _failed(self, queue: EndpointQueue, message: Message, answer: Answer) -> None:
        now = self._clock()
        if answer.retry_after_s:
            queue.pause(answer.retry_after_s)
        at = None if answer.gone else next_try(message.at, now=now)
        details = {"endpoint": queue.endpoint.name, "import": message.name, "error": answer.error}
        log.warning("notification not delivered", extra=details | {"next_try": at and at.isoformat()})
        if at is None:
            self._end(queue, message, DeliveryOutcome.GIVEN_UP, answer)
            return
        self._on_try(queue.endpoint.name, "failed")
        queue.again(message.key, at)

    def _end(self, queue: EndpointQueue, message: Message, outcome: DeliveryOutcome, answer: Answer) -> None:
        name = queue.endpoint.name
        self._on_try(name, "delivered" if outcome is DeliveryOutcome.DELIVERED else "given_up")
        queue.remove(message.key)
        delivery = Delivery(endpoint=name, outcome=outcome, at=self._clock(), http_status=answer.status)
        self._outbox.ended(message.key, delivery)
