from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook, Start

ORIGIN = {"Origin": "https://app.test"}


def test_no_origin_is_allowed_by_default(webhook: RunningWebhook) -> None:
    answer = webhook.call("GET", "/api/v1/media/", headers=ORIGIN)
    assert "access-control-allow-origin" not in answer.headers


def test_configured_origin_is_allowed_and_no_other(start: Start) -> None:
    webhook = start(CORS_ORIGINS="https://app.test")
    answers = [
        webhook.call("GET", "/api/v1/media/", headers={"Origin": each})
        for each in ("https://app.test", "https://x.test")
    ]
    assert [each.headers.get("access-control-allow-origin") for each in answers] == ["https://app.test", None]
