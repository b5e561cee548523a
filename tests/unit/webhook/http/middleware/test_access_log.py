from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.logs import JsonFormatter

if TYPE_CHECKING:
    import pytest

    from tests.support.webhook import Make, RunningWebhook, Start


def lines(webhook: RunningWebhook) -> list[dict[str, Any]]:
    """Return what was logged of requests since the start, probes left out."""
    return [json.loads(each) for each in webhook.access_log.getvalue().splitlines()]


def test_request_is_one_line_of_json_without_query_or_token(webhook: RunningWebhook) -> None:
    webhook.call("GET", "/api/v1/media/a%0A%1B%5B2Jb%C2%9B?secret=hidden")
    (line,) = lines(webhook)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/media/a\n\x1b[2Jb\x9b", 404)
    assert (line["level"], line["msg"], line["duration_ms"] >= 0) == ("info", "request", True)
    written = webhook.access_log.getvalue()
    assert written.isascii()
    assert "\x1b" not in written
    assert "hidden" not in written
    assert "alice-token" not in written


def test_line_has_the_fields_of_every_other_line(webhook: RunningWebhook) -> None:
    webhook.call("GET", "/api/v1/stats")
    other = json.loads(JsonFormatter().format(logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "b"})))
    assert lines(webhook)[0].keys() > other.keys()


def test_health_is_not_logged(webhook: RunningWebhook) -> None:
    webhook.call("GET", "/healthz")
    assert lines(webhook) == []


def test_level_above_info_leaves_requests_out(start: Start) -> None:
    webhook = start(LOG_LEVEL="warning")
    webhook.call("GET", "/api/v1/stats")
    assert lines(webhook) == []
    assert (
        webhook.sample("mediaimport_webhook_http_requests_total", method="GET", route="/api/v1/stats", status="200")
        == 1
    )


def test_log_that_takes_no_lines_holds_up_no_answer(webhook: RunningWebhook) -> None:
    webhook.access_log.close()
    assert webhook.call("GET", "/api/v1/stats").status_code == 200


def test_logs_of_a_callback_hold_no_url(
    webhook: RunningWebhook, prediction: Make, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.cluster.refusal = "refused"
    with caplog.at_level(logging.DEBUG):
        webhook.callback(prediction(output="https://replicate.delivery/a.mp4?signature=hidden"))
    assert "hidden" not in " ".join(JsonFormatter().format(each) for each in caplog.records)
    assert "hidden" not in webhook.access_log.getvalue()
