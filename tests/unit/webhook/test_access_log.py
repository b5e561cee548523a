from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from mediaimport_webhook.logs import JsonLines

if TYPE_CHECKING:
    import pytest

    from tests.unit.webhook.conftest import Make, Shim


def test_request_is_one_line_of_json_without_query_or_token(shim: Shim, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="mediaimport_webhook.access_log"):
        shim.call("GET", "/api/v1/media/a%0Ab?secret=hidden")
    (record,) = [each for each in caplog.records if each.name == "mediaimport_webhook.access_log"]
    line = JsonLines().format(record)
    assert "\n" not in line
    content = json.loads(line)
    assert (content["method"], content["path"], content["status"]) == ("GET", "/api/v1/media/a\nb", 404)
    assert "hidden" not in line
    assert "alice-token" not in line


def test_health_is_not_logged(shim: Shim, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        shim.call("GET", "/healthz")
    assert [each for each in caplog.records if each.name == "mediaimport_webhook.access_log"] == []


def test_logs_of_a_callback_hold_no_url(shim: Shim, prediction: Make, caplog: pytest.LogCaptureFixture) -> None:
    shim.cluster.refusal = "refused"
    with caplog.at_level(logging.DEBUG):
        shim.webhook(prediction(output="https://replicate.delivery/a.mp4?signature=hidden"))
    assert "hidden" not in " ".join(JsonLines().format(each) for each in caplog.records)
