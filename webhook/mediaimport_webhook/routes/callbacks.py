"""The door for one generator's callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mediaimport_webhook.http import bodies
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.http.responses import JsonAnswer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from mediaimport_webhook.generation.intake import Callbacks, Item, Outcomes
    from mediaimport_webhook.generation.providers import Prediction, Provider
    from mediaimport_webhook.metrics import Metrics


def webhook_path(provider: Provider) -> str:
    """Return where a generator calls back."""
    return f"/api/v1/{provider.name}/webhook"


@dataclass(frozen=True)
class CallbackRoute:
    """The route `{provider}/webhook`."""

    provider: Provider
    callbacks: Callbacks
    metrics: Metrics

    async def webhook(self, request: Request) -> Response:
        """Take a callback in: 2xx once all that it brings is persisted."""
        body = await bodies.read(request, limit_bytes=bodies.MAX_WEBHOOK_BYTES)
        try:
            outcomes = await self.callbacks.take(await self._verified(request, body))
        except Problem as problem:
            refused = problem.status == HTTPStatus.UNAUTHORIZED
            self.metrics.callback(self.provider.name, "refused" if refused else "failed")
            raise
        except Exception:
            self.metrics.callback(self.provider.name, "failed")
            raise
        self._count(outcomes)
        content: dict[str, Any] = {"status": outcomes.status, "assets": [_item(each) for each in outcomes.items]}
        return JsonAnswer(content | ({"reason": outcomes.reason} if outcomes.reason else {}))

    async def _verified(self, request: Request, body: bytes) -> Prediction:
        await self.provider.verify(request.headers, body)
        return await self.provider.complete(await self.provider.parse(body), request.query_params)

    def _count(self, outcomes: Outcomes) -> None:
        self.metrics.callback(self.provider.name, outcomes.status)
        for each in outcomes.items:
            self.metrics.imported(self.provider.name, each.created.creation)


def _item(item: Item) -> dict[str, Any]:
    return {
        "pointer": item.output.pointer,
        "asset_id": item.created.entry.asset_id if item.created.entry else None,
        "outcome": item.created.creation.name.lower(),
    }
