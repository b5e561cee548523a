"""Records of what endpoints are told besides assets: Leases that the webhook writes and the operator reads. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mediaimport_api.model import Lenient, Timestamp
from mediaimport_api.status import MAX_USER_ENDPOINTS, AssetEvent, Delivery

PREDICTION_FAILED = "prediction.failed"
EVENT_TYPES = (*(each.type for each in AssetEvent), PREDICTION_FAILED)
"""The types of all events."""
FAILED_PREDICTION = "failed-prediction"
"""The kind of the record of a failed prediction."""
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


class UserEndpoint(Lenient):
    """One endpoint that a user has made. Its signing keys are derived from its id and their number."""

    id: str
    url: Annotated[str, Field(repr=False)]
    types: list[str] = Field(default_factory=list)
    """Empty: all."""
    created_at: Timestamp
    key_number: int = 1

    def wants(self, event_type: str) -> bool:
        """Return whether it is told of events of that type."""
        return not self.types or event_type in self.types


class UserEndpoints(Lenient):
    """The endpoints of one user."""

    user: str
    endpoints: Annotated[list[UserEndpoint], Field(max_length=MAX_USER_ENDPOINTS)] = Field(default_factory=list)
