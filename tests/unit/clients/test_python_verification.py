"""Verification of signed events, against another implementation's signature and against what must be refused."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import get_args, get_type_hints

import pytest
import standardwebhooks
from mediaimport_api.event_records import EVENT_TYPES, WEBHOOK_TEST
from mediaimport_client import WebhookEvent, WebhookVerificationError, verify_webhook

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_KEY = "whsec_" + base64.b64encode(b"another key, of 32 bytes in all.").decode()
BODY = '{"type": "asset.ready", "data": {"name": "Füße 🦶.mp4"}}'


def signed(body: str = BODY, *, key: str = KEY, at: float | None = None) -> dict[str, str]:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    signature = standardwebhooks.Webhook(key).sign("msg_1", moment, body)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": signature,
    }


def test_signed_event_is_returned_while_keys_rotate_too() -> None:
    event = verify_webhook(BODY.encode(), signed(), KEY)
    assert event["type"] == "asset.ready"
    assert event["data"]["name"] == "Füße 🦶.mp4"
    assert verify_webhook(BODY.encode(), signed(), OTHER_KEY, KEY)["type"] == "asset.ready"
    two = signed()
    two["Webhook-Signature"] = f"{signed(key=OTHER_KEY)['Webhook-Signature']} {two['Webhook-Signature']}"
    assert verify_webhook(BODY.encode(), two, KEY)["type"] == "asset.ready"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY.replace("ready", "failed"), signed()),
        (BODY, signed(key=OTHER_KEY)),
        (BODY, signed(at=time.time() - 301)),
        (BODY, signed() | {"Webhook-Id": "msg_2"}),
        (BODY, signed() | {"Webhook-Signature": "v1"}),
        (BODY, signed() | {"Webhook-Signature": "v1,not-base64!"}),
        (BODY, {}),
    ],
)
def test_event_that_is_forged_old_or_not_signed_is_refused(body: str, headers: dict[str, str]) -> None:
    with pytest.raises(WebhookVerificationError):
        verify_webhook(body.encode(), headers, KEY)
    with pytest.raises(WebhookVerificationError):
        verify_webhook(b"\xff", headers, KEY)


def test_verification_without_a_key_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError):
        verify_webhook(b"{}", signed())


def test_events_of_all_types_are_typed() -> None:
    types = {name for kind in get_args(WebhookEvent) for name in get_args(get_type_hints(kind)["type"])}
    assert types == {*EVENT_TYPES, WEBHOOK_TEST}
