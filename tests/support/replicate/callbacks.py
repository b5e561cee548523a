"""Callbacks as Replicate sends them: a finished prediction's JSON and its signature. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from tests.support.replicate.settings import WEBHOOK_SECRET


def finished_prediction(url: str, *, prediction: str = "") -> str:
    """Return the JSON of a prediction with that output; without `prediction`, the URL decides its id."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({
        "id": prediction or hashlib.sha256(url.encode()).hexdigest()[:20],
        "model": "stand-in/video", "version": "hidden", "status": "succeeded", "input": {}, "output": url,
        "created_at": stamp, "completed_at": stamp,
    })  # fmt: skip


def signed(body: str, *, at: datetime | None = None, message: str = "msg_test") -> dict[str, str]:
    """Return the headers that prove a body to be Replicate's; `at`: the time of signing, by default now."""
    at = at or datetime.now(UTC)
    signature = Webhook(WEBHOOK_SECRET).sign(message, at, body)
    return {"webhook-id": message, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def callback(prediction: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the callback of a prediction whose file nobody fetches."""
    body = finished_prediction(f"https://replicate.delivery/xezq/{prediction}/output.mp4", prediction=prediction)
    return body.encode(), signed(body, message=f"msg_{prediction}")
