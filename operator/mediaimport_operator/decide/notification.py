"""Notification of endpoints: the status says which event of the run they are told of, and which of them have it.

An event is recorded in the same write as the state that it is about, so no restart loses one, and nothing from before
the endpoints were configured is told. The condition Notified sums it up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import (
    MAX_ENDPOINTS,
    AssetEvent,
    ConditionType,
    Delivery,
    DeliveryOutcome,
    Notification,
    Status,
)

from mediaimport_operator.decide.conditions import ConditionBuilder

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.events import EventSettings

GIVEN_UP_AFTER = timedelta(hours=25)
"""The age of an event after which nobody is told of it: a day, and an hour for the last try."""


def announced(
    status: Status, event: AssetEvent, *, events: EventSettings, user_id: str, builder: ConditionBuilder
) -> Status:
    """Return the status with the event, if an endpoint wants it."""
    if not events.wanting(user_id, event.type, at=builder.now):
        return status
    return _summarised(
        status, Notification(event=event, at=builder.now), events=events, user_id=user_id, builder=builder
    )


def pending(status: Status, *, events: EventSettings, user_id: str) -> dict[str, datetime]:
    """Return the endpoints still to be told of the status's event, by name, and from when their tries count."""
    told = status.notification
    if told is None:
        return {}
    return events.pending(user_id, told.event.type, at=told.at, deliveries=told.deliveries)


def with_deliveries(o: Observed, status: Status) -> Status:
    """Return the status with the deliveries that have ended since, and those that are given up by now."""
    told, events = status.notification, o.settings.events
    if told is None or not events.enabled:
        return status
    left = pending(status, events=events, user_id=o.resource.user_id)
    ended = {each.endpoint: each for each in o.deliveries if each.endpoint in left and each.at >= left[each.endpoint]}
    for name, tried_from in left.items():
        if name not in ended and o.now >= tried_from + GIVEN_UP_AFTER:
            ended[name] = Delivery(endpoint=name, outcome=DeliveryOutcome.GIVEN_UP, at=o.now)
    kept = [each for each in told.deliveries if each.endpoint not in ended]
    deliveries = [*kept, *ended.values()][-MAX_ENDPOINTS:]
    told = told.model_copy(update={"deliveries": deliveries})
    builder = ConditionBuilder(before=status, now=o.now, generation=status.observed_generation)
    return _summarised(status, told, events=events, user_id=o.resource.user_id, builder=builder)


def waits_until(o: Observed) -> datetime | None:
    """Return the time until which the resource stays for its notification; None if nobody is to be told."""
    told = o.resource.status.notification
    if told is None:
        return None
    left = pending(with_deliveries(o, o.resource.status), events=o.settings.events, user_id=o.resource.user_id)
    return told.at + GIVEN_UP_AFTER if left else None


def deletion_event(resource: Resource) -> Notification | None:
    """Return the event of the deletion: of a status that has it, the stored objects are deleted."""
    told = resource.status.notification
    return told if resource.deleting and told is not None and told.event is AssetEvent.DELETED else None


def _summarised(
    status: Status, told: Notification, *, events: EventSettings, user_id: str, builder: ConditionBuilder
) -> Status:
    status = status.model_copy(update={"notification": told})
    condition = builder.notified(*_summary(told, pending(status, events=events, user_id=user_id)))
    others = [each for each in status.conditions if each.type != ConditionType.NOTIFIED]
    return status.model_copy(update={"conditions": [*others, condition]})


def _summary(told: Notification, left: Collection[str]) -> tuple[Reason, str]:
    by_outcome = {
        outcome: ", ".join(
            each.endpoint for each in told.deliveries if each.outcome is outcome and each.endpoint not in left
        )
        for outcome in DeliveryOutcome
    }
    given_up, delivered = by_outcome[DeliveryOutcome.GIVEN_UP], by_outcome[DeliveryOutcome.DELIVERED]
    parts = [
        f"{verb} {names}"
        for verb, names in (("waits for", ", ".join(left)), ("given up for", given_up), ("accepted by", delivered))
        if names
    ]
    message = f"{told.event.type}: {'; '.join(parts) or 'no endpoint wants it any more'}"
    if left:
        return Reason.NOTIFICATION_PENDING, message
    return Reason.NOTIFICATION_GIVEN_UP if given_up else Reason.NOTIFIED, message
