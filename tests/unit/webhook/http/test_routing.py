from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/media/0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01", "GET, DELETE, HEAD"),
        ("GET", "/api/v1/media/import-from-url", "POST"),
        ("GET", "/api/v1/replicate/webhook", "POST"),
        ("OPTIONS", "/api/v1/stats", "GET, HEAD"),
    ],
)
def test_method_that_a_path_does_not_have_is_405_with_those_it_has(
    webhook: RunningWebhook, method: str, path: str, allowed: str
) -> None:
    answer = webhook.call(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"


def test_head_is_answered_as_get_is(webhook: RunningWebhook) -> None:
    assert webhook.call("HEAD", "/healthz", token=None).status_code == 200
