"""Schemas of a user's own webhooks: the endpoints that are told of the user's events."""

from __future__ import annotations

from typing import Annotated, Literal

from mediaimport_api.status import MAX_USER_ENDPOINTS
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.schemas.fields import Moment

EventType = Literal["asset.ready", "asset.failed", "asset.deleted", "prediction.failed"]
_CLOSED = ConfigDict(extra="forbid")


def _distinct(types: list[str]) -> list[str]:
    if len(set(types)) != len(types):
        raise ValueError("has a type twice")
    return types


class WebhookRequest(BaseModel):
    """Webhook that a caller makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[
        str,
        Field(
            min_length=8,
            max_length=2048,
            pattern=r"^https?://[!-~]+$",
            description="public, on port 80 or 443; whoever may read Leases sees it",
        ),
    ]
    types: Annotated[
        list[EventType],
        Field(max_length=4, description="of the events that it is told of; absent or empty: all"),
        AfterValidator(_distinct),
    ] = []


@with_config(_CLOSED)
class Webhook(TypedDict):
    """Endpoint of a user."""

    id: Annotated[str, Field(examples=["we_0b6d2c1e54a74d0e9a55"])]
    url: str
    types: Annotated[list[EventType], Field(description="empty: all")]
    created_at: Moment


@with_config(_CLOSED)
class KeyedWebhook(TypedDict):
    """Endpoint with its signing key, which no other answer shows."""

    id: Annotated[str, Field(examples=["we_0b6d2c1e54a74d0e9a55"])]
    url: str
    types: Annotated[list[EventType], Field(description="empty: all")]
    created_at: Moment
    signing_key: Annotated[str, Field(description="of Standard Webhooks: `whsec_` and base64", pattern="^whsec_")]


@with_config(_CLOSED)
class WebhookTest(TypedDict):
    """Test of an endpoint; its delivery has the type `webhook.test` and this time."""

    at: Moment


@with_config(_CLOSED)
class WebhookReplay(TypedDict):
    """Replay: events from `since` until `at` are delivered again, by the ids that they had."""

    since: Moment
    at: Moment


@with_config(_CLOSED)
class WebhookDelivery(TypedDict):
    """Delivery of one event to one endpoint."""

    type: str
    id: Annotated[str, Field(description="of the asset, the prediction, or of a test the webhook")]
    at: Annotated[Moment, Field(description="time of the event")]
    outcome: Annotated[
        Literal["pending", "delivered", "given_up"], Field(description="pending: it is tried, or tried again")
    ]
    ended_at: Moment | None
    http_status: Annotated[int | None, Field(description="of the last answer")]
    error: Annotated[str | None, Field(description="of a test in vain")]


@with_config(_CLOSED)
class WebhookDeliveries(TypedDict):
    """The newest deliveries to an endpoint, the newest first, as long as their imports are there."""

    deliveries: Annotated[list[WebhookDelivery], Field(max_length=50)]


@with_config(_CLOSED)
class WebhookList(TypedDict):
    """All endpoints of a user, in the order in which they were made."""

    webhooks: Annotated[list[Webhook], Field(max_length=MAX_USER_ENDPOINTS)]
