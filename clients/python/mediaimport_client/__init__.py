"""Client of MediaImport's API: import, generate, wait, list, follow events, verify webhooks; typed, sync and async."""

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
from mediaimport_client.webhook import AssetWebhookEvent, PredictionWebhookEvent, WebhookEvent, verify_webhook

__all__ = [
    "AssetChanged",
    "AssetFailedError",
    "AssetGone",
    "AssetWebhookEvent",
    "AsyncMediaImport",
    "GenerationFailedError",
    "MediaImport",
    "MediaImportError",
    "PredictionWebhookEvent",
    "ProblemError",
    "Reset",
    "StreamEvent",
    "WaitTimeoutError",
    "WebhookEvent",
    "WebhookVerificationError",
    "verify_webhook",
]
