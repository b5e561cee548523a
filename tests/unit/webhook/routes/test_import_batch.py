"""Imports of many URLs in one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.webhook import BOB, ROOT

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook

BATCH = "/api/v1/media/import-from-urls"
URL = "https://example.com/video.mp4"


def answers(webhook: RunningWebhook, *imports: Any, **arguments: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    answer = webhook.call("POST", BATCH, json={"imports": list(imports)}, **arguments)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["imports"]
    return found


def test_each_import_has_its_answer_in_the_order_of_the_request(webhook: RunningWebhook) -> None:
    found = answers(webhook, *({"url": URL, "name": f"n{number}", "tags": ["many"]} for number in range(100)))
    assert {each["status"] for each in found} == {202}
    shown = [webhook.call("GET", f"/api/v1/media/{each['accepted']['asset_id']}").json()["name"] for each in found]
    assert shown == [f"n{number}" for number in range(100)]


def test_import_that_is_refused_keeps_no_other_from_being_imported(webhook: RunningWebhook) -> None:
    found = answers(
        webhook,
        {"url": URL, "name": "first"},
        {"url": "file:///etc/passwd"},
        {"url": URL, "colour": "red"},
        {"name": "no url"},
        {},
        {"url": URL, "idempotency_key": "two words"},
        {"url": URL, "idempotency_key": 7},
        {"url": URL, "source_headers_secret": "headers"},
        {"url": URL, "tags": ["a", "a"]},
        {"url": URL, "metadata": {"deep": [[[[]]]]}, "name": "last"},
    )
    assert [each["status"] for each in found] == [202, 422, 422, 422, 422, 400, 400, 403, 422, 202]
    assert [each["problem"] is None for each in found] == [each["accepted"] is not None for each in found]
    assert found[2]["problem"]["errors"][0]["pointer"] == "/colour"
    assert sorted(each["name"] for each in webhook.specs()) == ["first", "last"]


def test_key_of_an_import_makes_it_once_per_user_and_is_the_same_as_the_header(webhook: RunningWebhook) -> None:
    item = {"url": URL, "idempotency_key": "k1"}
    first, second = answers(webhook, item, item)
    again = webhook.call("POST", "/api/v1/media/import-from-url", json={"url": URL}, headers={"Idempotency-Key": "k1"})
    assert first == second == {"status": 202, "accepted": again.json(), "problem": None}
    (bobs,) = answers(webhook, item, token=BOB)
    assert bobs["accepted"]["asset_id"] != first["accepted"]["asset_id"]
    (other,) = answers(webhook, item | {"url": URL + "?other"})
    assert (other["status"], other["problem"]["type"].rpartition("/")[2]) == (409, "idempotency-key-reused")


def test_assets_belong_to_the_caller(webhook: RunningWebhook) -> None:
    (found,) = answers(webhook, {"url": URL})
    path = f"/api/v1/media/{found['accepted']['asset_id']}"
    statuses = [webhook.call("GET", path, token=each).status_code for each in (BOB, ROOT)]
    assert statuses == [404, 200]
    assert webhook.call("POST", BATCH, json={"imports": [{"url": URL}]}, token=None).status_code == 401


@pytest.mark.parametrize("body", [{}, {"imports": []}, {"imports": {}}, {"imports": ["x"]}, {"imports": [{}] * 101}])
def test_body_of_another_form_is_422_and_imports_nothing(webhook: RunningWebhook, body: dict[str, Any]) -> None:
    assert webhook.call("POST", BATCH, json=body).status_code == 422
    assert webhook.specs() == []


def test_imports_say_each_that_the_cluster_does_not_answer(webhook: RunningWebhook) -> None:
    webhook.cluster.down = True
    found = answers(webhook, {"url": URL}, {"url": "ftp://x"})
    assert [each["status"] for each in found] == [503, 422]
