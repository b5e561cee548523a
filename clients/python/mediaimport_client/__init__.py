"""Client of MediaImport's API: import, generate, wait, list, follow events, webhooks; typed, sync and async."""

from __future__ import annotations

from mediaimport_client.async_client import AsyncMediaImport
from mediaimport_client.client import MediaImport
from mediaimport_client.errors import (
    AssetFailedError,
    GenerationFailedError,
    MediaImportError,
    ProblemError,
    WaitTimeoutError,
    WebhookVerificationError,
)
from mediaimport_client.stream import AssetChanged, AssetGone, Reset, StreamEvent
from mediaimport_client.verification import (
    AssetWebhookEvent,
    PredictionWebhookEvent,
    TestWebhookEvent,
    WebhookEvent,
    verify_webhook,
)
from mediaimport_client.webhooks import AsyncWebhooks, Webhooks

__all__ = [
    "AssetChanged",
    "AssetFailedError",
    "AssetGone",
    "AssetWebhookEvent",
    "AsyncMediaImport",
    "AsyncWebhooks",
    "GenerationFailedError",
    "MediaImport",
    "MediaImportError",
    "PredictionWebhookEvent",
    "ProblemError",
    "Reset",
    "StreamEvent",
    "TestWebhookEvent",
    "WaitTimeoutError",
    "WebhookEvent",
    "WebhookVerificationError",
    "Webhooks",
    "verify_webhook",
]
