"""Schedule of the tries: eight over a day, at growing waits from the event on, so that a restart goes on. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

TRIES = (
    timedelta(0),
    timedelta(seconds=30),
    timedelta(minutes=3),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""The ages of an event at which its delivery is tried."""


def next_try(at: datetime, *, now: datetime) -> datetime | None:
    """Return when an event is tried again after a try that has failed now; None after the last one."""
    return next((at + age for age in TRIES if at + age > now), None)
