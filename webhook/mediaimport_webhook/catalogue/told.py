"""Events of assets, and how their deliveries to users' endpoints have ended, as entries of the catalogue have them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from mediaimport_api.event_records import USER_ENDPOINT_PREFIX

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import DeliveryOutcome, Status


class EndedDelivery(NamedTuple):
    """Delivery to a user's endpoint that has ended."""

    endpoint: str
    outcome: DeliveryOutcome
    at: datetime
    http_status: int | None


class Told(NamedTuple):
    """Event of an import's run; `deliveries` are those to users' endpoints, most often none."""

    type: str
    at: datetime
    deliveries: tuple[EndedDelivery, ...]


def told_of(status: Status) -> Told | None:
    """Return the event of a status, None without one."""
    notification = status.notification
    if notification is None:
        return None
    return Told(
        notification.event.type,
        notification.at,
        tuple(
            EndedDelivery(sys.intern(each.endpoint), each.outcome, each.at, each.http_status)
            for each in notification.deliveries
            if each.endpoint.startswith(USER_ENDPOINT_PREFIX)
        ),
    )
