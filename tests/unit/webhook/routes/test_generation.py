from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook, Start

BOB, ROOT = "bob-token-0123456789", "root-token-0123456789"
GENERATE = "/api/v1/replicate/wan-video-t2v"
CREATE = "/v1/models/wan-video/wan-2.5-t2v/predictions"
BODY = {"prompt": "a rabbit", "size": "720p", "duration": "5s"}


def test_generation_starts_a_prediction_with_our_webhook(webhook: RunningWebhook) -> None:
    answer = webhook.call("POST", GENERATE, json=BODY)
    assert (answer.status_code, answer.json()) == (202, {"job_id": "pred1", "status": "generating"})
    (request,) = webhook.replicate.requests
    assert (request.method, request.url) == ("POST", f"https://api.replicate.com{CREATE}")
    assert request.headers["authorization"] == "Bearer r8_token"
    assert json.loads(request.content) == {
        "input": {"prompt": "a rabbit", "size": "1280*720", "duration": 5, "enable_prompt_expansion": True},
        "webhook": "https://media.test/api/v1/replicate/webhook",
        "webhook_events_filter": ["completed"],
    }


def test_owner_is_written_down_before_the_answer(webhook: RunningWebhook) -> None:
    webhook.call("POST", GENERATE, json=BODY | {"tags": ["fun"]})
    (record,) = webhook.cluster.records.values()
    assert record["data"] == {"provider": "replicate", "prediction": "pred1", "user": "alice", "tags": '["fun"]'}
    assert record["metadata"]["labels"]["mediaimport.dev/record"] == "prediction"


def test_prediction_whose_owner_cannot_be_written_down_is_canceled(webhook: RunningWebhook) -> None:
    def cut() -> None:
        webhook.cluster.down = True

    webhook.replicate.before_answer = cut
    answer = webhook.call("POST", GENERATE, json=BODY)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert webhook.replicate.requests[-1].url.path == "/v1/predictions/pred1/cancel"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/prompt"),
        ({"prompt": ""}, "/prompt"),
        ({"prompt": "  "}, "/prompt"),
        ({"prompt": 5}, "/prompt"),
        ({"prompt": "x" * 101}, "/prompt"),
        (BODY | {"size": "4k"}, "/size"),
        (BODY | {"size": ["720p"]}, "/size"),
        (BODY | {"duration": 5}, "/duration"),
        (BODY | {"duration": "60s"}, "/duration"),
        (BODY | {"seed": -1}, "/seed"),
        (BODY | {"seed": True}, "/seed"),
        (BODY | {"colour": "red"}, "/colour"),
        (BODY | {"tags": "fun"}, "/tags"),
    ],
)
def test_bad_input_is_422_named_and_costs_nothing(
    webhook: RunningWebhook, body: dict[str, object], pointer: str
) -> None:
    answer = webhook.call("POST", GENERATE, json=body)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert webhook.replicate.requests == []


def test_unknown_alias_is_404(webhook: RunningWebhook) -> None:
    assert webhook.call("POST", "/api/v1/replicate/other", json=BODY).status_code == 404


@pytest.mark.parametrize("setting", ["REPLICATE_API_TOKEN", "PUBLIC_BASE_URL", "REPLICATE_MODELS_FILE"])
def test_missing_setting_is_503_and_named(start: Start, setting: str) -> None:
    answer = start(**{setting: None}).call("POST", GENERATE, json=BODY)
    assert (answer.status_code, answer.json()["setting"]) == (503, setting)


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        (httpx.Response(422, json={"detail": "prompt is rude"}), 422, "prompt is rude"),
        (httpx.Response(401, json={"detail": "bad token r8_x"}), 502, "REPLICATE_API_TOKEN"),
        (httpx.Response(402, json={"detail": "no credit"}), 502, "no credit"),
        (httpx.Response(404, json={"detail": "no model"}), 502, "no model"),
        (httpx.Response(429, json={}, headers={"retry-after": "9"}), 429, "no more requests"),
        (httpx.Response(500, text="oops"), 503, "does not answer"),
        (httpx.Response(200, text="<html>"), 502, "200"),
        (httpx.Response(307, headers={"location": "https://evil.test/"}), 502, "307"),
    ],
)
def test_replicates_refusal_is_translated(
    webhook: RunningWebhook, theirs: httpx.Response, ours: int, said: str
) -> None:
    webhook.replicate.answers[CREATE] = theirs
    answer = webhook.call("POST", GENERATE, json=BODY)
    assert answer.status_code == ours
    assert said in answer.json()["detail"]
    assert "r8_" not in answer.text
    assert webhook.cluster.records == {}


def test_replicates_time_to_wait_is_passed_on(webhook: RunningWebhook) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(429, json={}, headers={"ratelimit-reset": "9"})
    assert webhook.call("POST", GENERATE, json=BODY).headers["retry-after"] == "9"


def test_token_goes_to_replicates_own_host_only(webhook: RunningWebhook) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(307, headers={"location": "https://evil.test/"})
    webhook.call("POST", GENERATE, json=BODY)
    assert {each.url.host for each in webhook.replicate.requests} == {"api.replicate.com"}


def test_prediction_is_shown_to_its_own_user_and_the_admin(webhook: RunningWebhook) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.replicate.answers["/v1/predictions/pred1"] = httpx.Response(
        200, json={"id": "pred1", "status": "processing"}
    )
    path = "/api/v1/replicate/predictions/pred1"
    answer = webhook.call("GET", path)
    assert (answer.json()["status"], answer.json()["provider_status"]) == ("generating", "processing")
    assert [webhook.call("GET", path, token=token).status_code for token in (BOB, ROOT)] == [404, 200]


def test_prediction_is_shown_with_its_assets_once_there_are_any(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.callback(prediction())
    answer = webhook.call("GET", "/api/v1/replicate/predictions/pred1").json()
    assert (answer["job_id"], answer["status"]) == ("pred1", "uploading")
    assert [each["job_id"] for each in answer["assets"]] == ["pred1"]


@pytest.mark.parametrize("job", ["..%2f..%2faccount", "%00", "unknown", "x" * 300])
def test_prediction_that_nobody_recorded_is_404_and_not_asked_for(webhook: RunningWebhook, job: str) -> None:
    assert webhook.call("GET", f"/api/v1/replicate/predictions/{job}", token=ROOT).status_code == 404
    assert webhook.replicate.requests == []


def test_old_records_are_removed_after_a_generation(webhook: RunningWebhook) -> None:
    labels = {"mediaimport.dev/record": "prediction", "mediaimport.dev/record-day": "2020-01-01"}
    webhook.cluster.records["old"] = {"metadata": {"name": "old", "labels": labels}, "data": {}}
    webhook.call("POST", GENERATE, json=BODY)
    assert len(webhook.cluster.records) == 1
    assert "old" not in webhook.cluster.records
