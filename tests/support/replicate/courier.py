"""Webhooks as Replicate sends them: signed, terminal events again and again for a minute, redirects never followed."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from standardwebhooks.webhooks import Webhook

from tests.support.replicate.prediction import new_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

TIMEOUT_S = 5
KEPT = 1000


@dataclass(frozen=True)
class Delivery:
    """Request to a webhook and its result."""

    prediction: str
    webhook_id: str
    at: str
    http_status: int | None
    error: str | None = None

    @property
    def accepted(self) -> bool:
        """Tell whether the receiver accepted it."""
        return self.http_status is not None and httpx.codes.is_success(self.http_status)


@dataclass
class Courier:
    """Sender of signed webhooks, with a record of the newest deliveries."""

    client: httpx.AsyncClient
    secret: str
    waits_s: Sequence[float]
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=KEPT))

    async def deliver(self, url: str, prediction: dict[str, Any], *, repeat: bool) -> None:
        """Send one event; if `repeat`, send it again under the same id until it is accepted or no wait is left."""
        webhook_id, body = f"msg_{new_id()}", json.dumps(prediction)
        for wait_s in (0.0, *(self.waits_s if repeat else ())):
            await self.sleep(wait_s)
            delivery = await self._send(url, body, webhook_id=webhook_id, prediction=prediction["id"])
            self.deliveries.append(delivery)
            if delivery.accepted:
                return

    def headers(self, body: str, *, webhook_id: str) -> dict[str, str]:
        """Return the Standard Webhooks headers for a body sent now."""
        now = self.clock()
        return {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(webhook_id, now, body),
        }

    async def _send(self, url: str, body: str, *, webhook_id: str, prediction: str) -> Delivery:
        at = self.clock().isoformat()
        try:
            headers = self.headers(body, webhook_id=webhook_id)
            response = await self.client.post(url, content=body, headers=headers, timeout=TIMEOUT_S)
        except httpx.HTTPError as error:
            return Delivery(prediction, webhook_id, at, http_status=None, error=repr(error))
        return Delivery(prediction, webhook_id, at, http_status=response.status_code)
