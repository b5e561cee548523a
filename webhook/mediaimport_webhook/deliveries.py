"""Deliveries to a user's endpoint: read from the status of imports and from records; nothing is kept for them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mediaimport_api.event_records import (
    FAILED_PREDICTION,
    PREDICTION_FAILED,
    WEBHOOK_TEST,
    Deliveries,
    FailedPrediction,
    TestOutcomes,
)
from mediaimport_api.status import DeliveryOutcome
from pydantic import ValidationError

from mediaimport_webhook.catalogue.told import EndedDelivery, Told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mediaimport_api.event_records import UserEndpoint
    from mediaimport_api.status import Delivery

    from mediaimport_webhook.catalogue import Catalogue
    from mediaimport_webhook.generation.records import Record, Records
    from mediaimport_webhook.http.schemas.webhooks import WebhookDelivery

MAX_DELIVERIES = 50
_OUTCOMES: dict[DeliveryOutcome, Literal["delivered", "given_up"]] = {
    DeliveryOutcome.DELIVERED: "delivered",
    DeliveryOutcome.GIVEN_UP: "given_up",
}


@dataclass(frozen=True)
class DeliveryLog:
    """The newest deliveries to an endpoint, as long as the resources and the records of their events are there."""

    catalogue: Catalogue
    records: Records

    async def newest(self, endpoint: UserEndpoint, *, user_id: str, own: Record | None) -> list[WebhookDelivery]:
        """Return them, the newest first; `own` is the record of the user's endpoints. UnavailableError."""
        failed = await self.records.of_user(FAILED_PREDICTION, user_id)
        found = [
            *_of_tests(endpoint, own),
            *(each for record in failed for each in _of_prediction(endpoint, record)),
            *self._of_assets(endpoint, user_id),
        ]
        return heapq.nlargest(MAX_DELIVERIES, found, key=_last)

    def _of_assets(self, endpoint: UserEndpoint, user_id: str) -> Iterator[WebhookDelivery]:
        for entry in self.catalogue.told(user_id):
            if entry.told is not None:
                yield from _shown(endpoint, entry.told, entry.asset_id)


def _of_prediction(endpoint: UserEndpoint, record: Record) -> Iterator[WebhookDelivery]:
    try:
        failed, recorded = FailedPrediction.read(dict(record.data)), Deliveries.read(dict(record.deliveries))
    except ValidationError:
        return
    told = Told(PREDICTION_FAILED, failed.at, tuple(map(_ended, recorded.deliveries)))
    yield from _shown(endpoint, told, failed.prediction)


def _of_tests(endpoint: UserEndpoint, own: Record | None) -> Iterator[WebhookDelivery]:
    """Yield the newest test."""
    test = endpoint.test
    if test is None or own is None:
        return
    shown = _row(WEBHOOK_TEST, endpoint.id, test.at, None)
    for each in TestOutcomes.read(dict(own.deliveries)).tests:
        if each.delivery.endpoint == endpoint.id and each.number == test.number:
            shown = _row(WEBHOOK_TEST, endpoint.id, test.at, _ended(each.delivery)) | {"error": each.error or None}
    yield shown


def _shown(endpoint: UserEndpoint, told: Told, subject: str) -> Iterator[WebhookDelivery]:
    ended = next((each for each in told.deliveries if each.endpoint == endpoint.id), None)
    if ended is None and not endpoint.is_told(told.type, at=told.at):
        return
    is_pending = ended is None or endpoint.is_told_again(at=told.at, ended_at=ended.at)
    yield _row(told.type, subject, told.at, None if is_pending else ended)


def _ended(delivery: Delivery) -> EndedDelivery:
    return EndedDelivery(delivery.endpoint, delivery.outcome, delivery.at, delivery.http_status)


def _row(event_type: str, subject: str, at: datetime, ended: EndedDelivery | None) -> WebhookDelivery:
    return {
        "type": event_type,
        "id": subject,
        "at": _text(at),
        "outcome": "pending" if ended is None else _OUTCOMES.get(ended.outcome, "given_up"),
        "ended_at": None if ended is None else _text(ended.at),
        "http_status": None if ended is None else ended.http_status,
        "error": None,
    }


def _last(row: WebhookDelivery) -> tuple[str, str]:
    return row["ended_at"] or row["at"], row["id"]


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
