from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import pytest

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


def test_unforeseen_error_is_a_500_that_a_browser_may_read(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    webhook = start(CORS_ORIGINS="https://app.test")
    webhook.sidecars.read = None  # type: ignore[assignment]
    asset = "/api/v1/media/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"
    answer = webhook.call("GET", asset, headers=ORIGIN)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["access-control-allow-origin"] == "https://app.test"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "TypeError" in caplog.text


def test_refusals_may_be_read_by_a_browser(start: Start) -> None:
    webhook = start(CORS_ORIGINS="https://app.test")
    paths = ["/api/v1/media/none", "/api/v1/nowhere", "/api/v1/stats"]
    answers = [webhook.call("GET", each, token="wrong", headers=ORIGIN) for each in paths]
    assert [each.status_code for each in answers] == [401, 404, 401]
    assert {each.headers["access-control-allow-origin"] for each in answers} == {"https://app.test"}
    assert "X-Request-Id" in answers[0].headers["access-control-expose-headers"]


def test_refused_preflight_is_a_problem(start: Start) -> None:
    webhook = start(CORS_ORIGINS="https://app.test")
    headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "GET"}
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(webhook.app), base_url="http://webhook.test")
    answer = webhook.run(browser.options("/api/v1/media/", headers=headers))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (answer.json()["type"].rpartition("/")[2], "origin" in answer.json()["detail"]) == ("cors-refused", True)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "access-control-allow-origin" not in answer.headers
