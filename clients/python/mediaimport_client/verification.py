"""Events that MediaImport's operator sends to an endpoint: Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict, cast

import standardwebhooks

from mediaimport_client.errors import WebhookVerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping


class WebhookAsset(TypedDict):
    """Asset of an event. It has no URL: read the asset by its id."""

    id: str
    user_id: str
    status: Literal["ready", "failed", "deleted"]
    import_job_id: str
    job_id: NotRequired[str]
    name: NotRequired[str]
    reason: NotRequired[str]


class AssetWebhookEvent(TypedDict):
    """Message about an asset."""

    type: Literal["asset.ready", "asset.failed", "asset.deleted"]
    timestamp: str
    data: WebhookAsset


class WebhookPrediction(TypedDict):
    """Prediction of which no asset comes; `id` is its own."""

    id: str
    user_id: str
    status: Literal["failed"]
    job_id: str
    provider: str
    provider_status: str
    reason: str


class PredictionWebhookEvent(TypedDict):
    """Message about a failed prediction."""

    type: Literal["prediction.failed"]
    timestamp: str
    data: WebhookPrediction


class TestedWebhook(TypedDict):
    """Webhook that its user tests; `id` is its own."""

    id: str
    user_id: str
    status: Literal["test"]


class TestWebhookEvent(TypedDict):
    """Message that a user has asked for, to test a webhook."""

    type: Literal["webhook.test"]
    timestamp: str
    data: TestedWebhook


WebhookEvent = AssetWebhookEvent | PredictionWebhookEvent | TestWebhookEvent


def verify_webhook(body: bytes, headers: Mapping[str, str], *keys: str) -> WebhookEvent:
    """Return the event of a message; WebhookVerificationError if no key has signed it within five minutes.

    `body` is the raw one, before anything has parsed it. Keys are `whsec_…`; several while a key is rotated.
    """
    if not keys:
        raise TypeError("verify_webhook needs a signing key: whsec_ and base64")
    for verifier in map(standardwebhooks.Webhook, keys):
        try:
            verifier.verify(body, dict(headers), json_parse=False)
        # ValueError: a header or body that is not of the form.
        except (standardwebhooks.WebhookVerificationError, ValueError):
            continue
        return cast("WebhookEvent", json.loads(body))
    raise WebhookVerificationError("no signature of the message is by one of the keys, or it is too old")
