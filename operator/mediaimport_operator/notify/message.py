"""Messages: an event as an endpoint gets it, signed by Standard Webhooks (https://www.standardwebhooks.com). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from mediaimport_api.event_records import PREDICTION_FAILED, WEBHOOK_TEST
from mediaimport_api.status import AssetEvent, ConditionType
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.event_records import EndpointTest, FailedPrediction, UserEndpoint
    from mediaimport_api.status import Notification, Status

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.events import Endpoint

_IDS = UUID("5e0a7c6b-8d3f-5b0e-9c39-0f3f6f2f1c54")
"""The namespace of our messages' ids."""
Key = tuple[str, str, str]
"""Subject (an import's uid, or generator and prediction), run and event: what a message is about."""


@dataclass(frozen=True)
class Message:
    """One event. Its body is the same after a restart, and never holds a URL or a token."""

    key: Key
    name: str
    """Of the resource or the prediction, for the log."""
    at: datetime
    """Time from which its tries count."""
    body: str
    tried_once: bool = False

    def id(self, endpoint: str) -> str:
        """Return the id by which an endpoint knows a double."""
        return str(uuid5(_IDS, "\0".join((*self.key, endpoint))))

    def headers(self, endpoint: Endpoint, *, now: datetime) -> dict[str, str]:
        """Return the headers of a try at that time, with a signature for each key."""
        message_id = self.id(endpoint.name)
        signatures = [Webhook(key).sign(message_id, now, self.body) for key in endpoint.keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def key_of(resource: Resource, status: Status, told: Notification) -> Key:
    """Return what the message of that event of that status is about."""
    return resource.uid, status.run or "", told.event.value


def message(resource: Resource, status: Status, told: Notification) -> Message:
    """Return the message of that event."""
    body = _body(told.event.type, told.at, _data(resource, status, told))
    return Message(key_of(resource, status, told), resource.name, told.at, body)


def key_of_prediction(failed: FailedPrediction) -> Key:
    """Return what the message of that failed prediction is about."""
    return f"{failed.provider}/{failed.prediction}", "", PREDICTION_FAILED


def prediction_message(failed: FailedPrediction) -> Message:
    """Return the message of a prediction of which no asset comes."""
    data = {
        "id": failed.prediction,
        "user_id": failed.user,
        "status": "failed",
        "job_id": failed.prediction,
        "provider": failed.provider,
        "provider_status": failed.state,
        "reason": failed.reason,
    }
    return Message(key_of_prediction(failed), failed.prediction, failed.at, _body(PREDICTION_FAILED, failed.at, data))


def key_of_test(endpoint_id: str, number: int) -> Key:
    """Return what the message of that test of a user's endpoint is about."""
    return f"webhook/{endpoint_id}", str(number), WEBHOOK_TEST


def test_message(endpoint: UserEndpoint, test: EndpointTest, *, user_id: str) -> Message:
    """Return the message by which a user tests an endpoint: it is tried once."""
    data = {"id": endpoint.id, "user_id": user_id, "status": "test"}
    key = key_of_test(endpoint.id, test.number)
    return Message(key, endpoint.id, test.at, _body(WEBHOOK_TEST, test.at, data), tried_once=True)


def _body(event_type: str, at: datetime, data: dict[str, Any]) -> str:
    body = {"type": event_type, "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}", "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _data(resource: Resource, status: Status, told: Notification) -> dict[str, Any]:
    spec = resource.spec
    provider = spec.source.provider if spec else None
    ready = status.condition(ConditionType.READY)
    reason = ready.reason if ready is not None and told.event is not AssetEvent.DELETED else None
    data = {
        "id": resource.asset_id,
        "user_id": resource.user_id,
        "status": told.event.value.lower(),
        "job_id": provider.id if provider else None,
        "import_job_id": resource.name,
        "name": spec.name if spec else None,
        "reason": reason,
    }
    return {name: value for name, value in data.items() if value is not None}
