"""Records of what endpoints are told besides assets: Leases that the webhook writes and the operator reads. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from mediaimport_api.model import Lenient, Timestamp
from mediaimport_api.status import MAX_USER_ENDPOINTS, AssetEvent, Delivery

PREDICTION_FAILED = "prediction.failed"
EVENT_TYPES = (*(each.type for each in AssetEvent), PREDICTION_FAILED)
"""The types of all events."""
WEBHOOK_TEST = "webhook.test"
"""The type of the message by which a user tests an endpoint; it is about no asset, and none of `EVENT_TYPES`."""
FAILED_PREDICTION = "failed-prediction"
"""The kind of the record of a failed prediction."""
USER_ENDPOINT_PREFIX = "we_"
"""Ids of users' endpoints begin so; no name of the installer's can, being a DNS label."""
CLOCK_TOLERANCE = timedelta(minutes=1)
"""An endpoint's time is the webhook's, an asset's event has the operator's: none must be lost between the two."""
USER_ENDPOINTS = "user-endpoints"
"""The kind of the record of a user's own endpoints."""


class FailedPrediction(Lenient):
    """A prediction of which no asset comes: it failed, was cancelled, or has no media that can be imported."""

    provider: str
    prediction: str
    user: str
    state: str
    """The generator's own word."""
    reason: str
    at: Annotated[Timestamp, Field(description="time of the record, from which the tries of its delivery count")]


class Deliveries(Lenient):
    """The deliveries of a record's event that have ended."""

    deliveries: list[Delivery] = Field(default_factory=list)


class Replay(Lenient):
    """Request of a user to be told again of what happened in that time."""

    since: Timestamp
    at: Timestamp
    """Time of the request: later deliveries answer it."""

    def covers(self, event_at: datetime) -> bool:
        """Return whether an event of that time is told again."""
        return self.since <= event_at < self.at


class EndpointTest(Lenient):
    """Request of a user to be sent a message at once, as a test; the newest one counts."""

    number: int
    at: Timestamp


class UserEndpoint(Lenient):
    """One endpoint that a user has made. Its signing keys are derived from its id and their number."""

    id: str
    url: Annotated[str, Field(repr=False)]
    types: list[str] = Field(default_factory=list)
    """Empty: all."""
    created_at: Timestamp
    key_number: int = 1
    test: EndpointTest | None = None
    replay: Replay | None = None

    def wants(self, event_type: str) -> bool:
        """Return whether it is told of events of that type."""
        return not self.types or event_type in self.types

    @property
    def told_from(self) -> datetime:
        """Return the earliest time of an event that it is told of, but for replays."""
        return self.created_at - CLOCK_TOLERANCE

    def is_told(self, event_type: str, *, at: datetime) -> bool:
        """Return whether it is told of an event of that type and that time."""
        is_replayed = self.replay is not None and self.replay.covers(at)
        return self.wants(event_type) and (is_replayed or self.told_from <= at)

    def is_told_again(self, *, at: datetime, ended_at: datetime) -> bool:
        """Return whether it is told of an event of that time once more, since its delivery ended at that time."""
        return self.replay is not None and self.replay.covers(at) and ended_at < self.replay.at


class TestOutcome(Lenient):
    """Outcome of a test's only try."""

    __test__ = False  # not for pytest
    number: int
    delivery: Delivery
    error: Annotated[str, Field(max_length=200)] = ""


class TestOutcomes(Lenient):
    """The outcome of the newest test of each endpoint of one user."""

    __test__ = False
    tests: Annotated[list[TestOutcome], Field(max_length=MAX_USER_ENDPOINTS)] = Field(default_factory=list)


class UserEndpoints(Lenient):
    """The endpoints of one user."""

    user: str
    endpoints: Annotated[list[UserEndpoint], Field(max_length=MAX_USER_ENDPOINTS)] = Field(default_factory=list)
