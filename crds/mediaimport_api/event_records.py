"""Records of what endpoints are told besides assets: Leases that the webhook writes and the operator reads. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mediaimport_api.model import Lenient, Timestamp
from mediaimport_api.status import AssetEvent, Delivery

PREDICTION_FAILED = "prediction.failed"
EVENT_TYPES = (*(each.type for each in AssetEvent), PREDICTION_FAILED)
"""The types of all events."""
FAILED_PREDICTION = "failed-prediction"
"""The kind of the record of a failed prediction."""


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
