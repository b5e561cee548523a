from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.logs import JsonFormatter

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook

MADE = re.compile(r"[0-9a-f]{32}")
PATHS = ["/healthz", "/api/v1/media/", "/api/v1/nowhere", "/api/v1/stats", "/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", [None, "alice-token-0123456789"])
def test_every_answer_has_a_request_id(webhook: RunningWebhook, path: str, token: str | None) -> None:
    first, second = (webhook.call("GET", path, token=token).headers["x-request-id"] for _ in range(2))
    assert MADE.fullmatch(first)
    assert first != second


@pytest.mark.parametrize("given", ["trace-1", "Root=1-67891233-abcdef012345678912345678", "a" * 128])
def test_sane_id_of_the_caller_is_taken(webhook: RunningWebhook, given: str) -> None:
    assert webhook.call("GET", "/api/v1/stats", headers={"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", 'a"b', "-a", "a\tb", "é".encode()])
def test_other_ids_are_replaced(webhook: RunningWebhook, given: str | bytes) -> None:
    answer = webhook.call("GET", "/api/v1/stats", headers={"X-Request-Id": given})
    assert MADE.fullmatch(answer.headers["x-request-id"])


def test_problem_and_access_log_name_the_request(webhook: RunningWebhook) -> None:
    answer = webhook.call("GET", "/api/v1/media/none", headers={"X-Request-Id": "trace-1"})
    assert (answer.status_code, answer.json()["request_id"]) == (404, "trace-1")
    assert json.loads(webhook.access_log.getvalue().splitlines()[-1])["request_id"] == "trace-1"


def test_what_is_logged_during_a_request_names_it(webhook: RunningWebhook) -> None:
    written: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    logging.getLogger("mediaimport_webhook").addHandler(handler)
    try:
        webhook.cluster.down = True
        webhook.call(
            "POST",
            "/api/v1/media/import-from-url",
            json={"url": "https://example.com/a.mp4"},
            headers={"X-Request-Id": "trace-2"},
        )
    finally:
        logging.getLogger("mediaimport_webhook").removeHandler(handler)
    during = [json.loads(each) for each in written if "request to the API server failed" in each]
    assert [each["request_id"] for each in during] == ["trace-2"]


def test_line_outside_of_a_request_has_no_id(webhook: RunningWebhook) -> None:
    webhook.call("GET", "/healthz")
    line = JsonFormatter().format(logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "b"}))
    assert "request_id" not in json.loads(line)
