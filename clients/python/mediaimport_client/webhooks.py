"""Webhooks of a user: endpoints that get a signed message at each event. `client.webhooks` has these methods."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from mediaimport_client.calls import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import httpx

    from mediaimport_client import types as bodies

_ALL = "/api/v1/webhooks"


def _one(webhook_id: str, action: str = "") -> str:
    return f"{_ALL}/{quote(webhook_id, safe='')}{action}"


def _create(url: str, types: Sequence[str]) -> Call:
    # A second one would be a second webhook.
    return Call("POST", _ALL, body={"url": url, "types": [*types]}, repeatable=False)


def _ask(webhook_id: str, action: str, **query: object) -> Call:
    return Call("POST", _one(webhook_id, action), query, repeatable=False)


def _replay(webhook_id: str, since: datetime | str | None) -> Call:
    return _ask(webhook_id, "/replay", since=since.isoformat() if isinstance(since, datetime) else since)


class Webhooks:
    """Webhooks of the user; `user` names another one, for an admin. `verify_webhook` reads their messages."""

    def __init__(self, send: Callable[[Call], httpx.Response]) -> None:
        self._send = send

    def create(self, url: str, *, types: Sequence[str] = ()) -> bodies.KeyedWebhook:
        """Make a webhook, which is told of events of these types, or of all. Only this answer has its signing key."""
        return cast("bodies.KeyedWebhook", self._json(_create(url, types)))

    def get(self, webhook_id: str, *, user: str | None = None) -> bodies.Webhook:
        """Return a webhook."""
        return cast("bodies.Webhook", self._json(Call("GET", _one(webhook_id), {"user": user})))

    def delete(self, webhook_id: str, *, user: str | None = None) -> None:
        """Delete a webhook: it is told of nothing more."""
        self._send(Call("DELETE", _one(webhook_id), {"user": user}))

    def rotate_key(self, webhook_id: str) -> bodies.KeyedWebhook:
        """Give a webhook a new signing key, and return it. The former one signs, too, until the next rotation."""
        return cast("bodies.KeyedWebhook", self._json(_ask(webhook_id, "/rotate-key")))

    def test(self, webhook_id: str) -> bodies.WebhookTest:
        """Send a message of type `webhook.test`, once; `deliveries` tells how it ended."""
        return cast("bodies.WebhookTest", self._json(_ask(webhook_id, "/test")))

    def replay(self, webhook_id: str, *, since: datetime | str | None = None) -> bodies.WebhookReplay:
        """Deliver again what happened since that time (with its zone), or since a day ago, by the ids that it had."""
        return cast("bodies.WebhookReplay", self._json(_replay(webhook_id, since)))

    def deliveries(self, webhook_id: str, *, user: str | None = None) -> Sequence[bodies.WebhookDelivery]:
        """Return the newest deliveries, 50 at most, the newest first."""
        answer = cast(
            "bodies.WebhookDeliveries", self._json(Call("GET", _one(webhook_id, "/deliveries"), {"user": user}))
        )
        return answer["deliveries"]

    def list(self, *, user: str | None = None) -> Sequence[bodies.Webhook]:
        """Return all webhooks."""
        answer = cast("bodies.WebhookList", self._json(Call("GET", _ALL, {"user": user})))
        return answer["webhooks"]

    def _json(self, call: Call) -> object:
        return self._send(call).json()


class AsyncWebhooks:
    """Webhooks of the user; `user` names another one, for an admin. `verify_webhook` reads their messages."""

    def __init__(self, send: Callable[[Call], Awaitable[httpx.Response]]) -> None:
        self._send = send

    async def create(self, url: str, *, types: Sequence[str] = ()) -> bodies.KeyedWebhook:
        """Make a webhook, which is told of events of these types, or of all. Only this answer has its signing key."""
        return cast("bodies.KeyedWebhook", await self._json(_create(url, types)))

    async def get(self, webhook_id: str, *, user: str | None = None) -> bodies.Webhook:
        """Return a webhook."""
        return cast("bodies.Webhook", await self._json(Call("GET", _one(webhook_id), {"user": user})))

    async def delete(self, webhook_id: str, *, user: str | None = None) -> None:
        """Delete a webhook: it is told of nothing more."""
        await self._send(Call("DELETE", _one(webhook_id), {"user": user}))

    async def rotate_key(self, webhook_id: str) -> bodies.KeyedWebhook:
        """Give a webhook a new signing key, and return it. The former one signs, too, until the next rotation."""
        return cast("bodies.KeyedWebhook", await self._json(_ask(webhook_id, "/rotate-key")))

    async def test(self, webhook_id: str) -> bodies.WebhookTest:
        """Send a message of type `webhook.test`, once; `deliveries` tells how it ended."""
        return cast("bodies.WebhookTest", await self._json(_ask(webhook_id, "/test")))

    async def replay(self, webhook_id: str, *, since: datetime | str | None = None) -> bodies.WebhookReplay:
        """Deliver again what happened since that time (with its zone), or since a day ago, by the ids that it had."""
        return cast("bodies.WebhookReplay", await self._json(_replay(webhook_id, since)))

    async def deliveries(self, webhook_id: str, *, user: str | None = None) -> Sequence[bodies.WebhookDelivery]:
        """Return the newest deliveries, 50 at most, the newest first."""
        answer = cast(
            "bodies.WebhookDeliveries", await self._json(Call("GET", _one(webhook_id, "/deliveries"), {"user": user}))
        )
        return answer["deliveries"]

    async def list(self, *, user: str | None = None) -> Sequence[bodies.Webhook]:
        """Return all webhooks."""
        answer = cast("bodies.WebhookList", await self._json(Call("GET", _ALL, {"user": user})))
        return answer["webhooks"]

    async def _json(self, call: Call) -> object:
        return (await self._send(call)).json()
