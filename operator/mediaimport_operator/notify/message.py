"""Messages: an event as an endpoint gets it, signed by Standard Webhooks (https://www.standardwebhooks.com). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from mediaimport_api.status import AssetEvent, ConditionType
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Notification, Status

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.events import Endpoint

_IDS = UUID("5e0a7c6b-8d3f-5b0e-9c39-0f3f6f2f1c54")
"""The namespace of our messages' ids."""
Key = tuple[str, str, AssetEvent]
"""Uid, run and event: what a message is about."""


@dataclass(frozen=True)
class Message:
    """One event. Its body is the same after a restart, and never holds a URL or a token."""

    key: Key
    name: str
    """The resource's, for the log."""
    at: datetime
    body: str

    def id(self, endpoint: str) -> str:
        """Return the id by which an endpoint knows a double."""
        uid, run, event = self.key
        return str(uuid5(_IDS, f"{uid}\0{run}\0{event.value}\0{endpoint}"))

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
    return resource.uid, status.run or "", told.event


def message(resource: Resource, status: Status, told: Notification) -> Message:
    """Return the message of that event."""
    body = {
        "type": told.event.type,
        "timestamp": f"{told.at:%Y-%m-%dT%H:%M:%SZ}",
        "data": _data(resource, status, told),
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Message(key_of(resource, status, told), resource.name, told.at, text)


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
