from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_webhook.generation import states
from mediaimport_webhook.generation.owner import Owner, OwnerTokens

from tests.support.webhook import ALICE, BOB, OWNER_KEY, ROOT

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook, Start

JOB = "/api/v1/replicate/predictions/pred1"
GENERATE = "/api/v1/replicate/wan-video-t2v"
CREATE = "/v1/models/wan-video/wan-2.5-t2v/predictions"
BODY = {"prompt": "a rabbit", "size": "720p", "duration": "5s"}


def test_generation_starts_a_prediction_with_our_webhook(webhook: RunningWebhook) -> None:
    answer = webhook.call("POST", GENERATE, json=BODY)
    assert (answer.status_code, answer.json()) == (202, {"job_id": "pred1", "status": "starting"})
    (request,) = webhook.replicate.requests
    content = json.loads(request.content)
    callback_url, _, token = content.pop("webhook").partition("?owner=")
    assert (request.method, str(request.url)) == ("POST", f"https://api.replicate.com{CREATE}")
    assert request.headers["authorization"] == "Bearer r8_token"
    assert (callback_url, bool(token)) == ("https://media.test/api/v1/replicate/webhook", True)
    assert content == {
        "input": {"prompt": "a rabbit", "size": "1280*720", "duration": 5, "enable_prompt_expansion": True},
        "webhook_events_filter": ["completed"],
    }


def test_user_and_tags_are_in_the_signed_token_of_the_callback_url(webhook: RunningWebhook) -> None:
    webhook.call("POST", GENERATE, json=BODY | {"tags": ["fun"]})
    token = OwnerTokens((OWNER_KEY,)).of_prediction(webhook.replicate.predictions["pred1"]["webhook"])
    assert token is not None
    assert token.owner == Owner("alice", ("fun",))


def test_generation_needs_nothing_of_the_cluster(webhook: RunningWebhook) -> None:
    webhook.cluster.down = True
    assert webhook.call("POST", GENERATE, json=BODY).status_code == 202


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


@pytest.mark.parametrize(
    "setting", ["REPLICATE_API_TOKEN", "PUBLIC_BASE_URL", "REPLICATE_MODELS_FILE", "OWNER_TOKEN_KEYS"]
)
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


@pytest.mark.parametrize(
    ("theirs", "ours"), [("9", "9"), ("9" * 5000, "3600"), ("Thu, 01 Jan 2026 00:00:00 GMT", "10")]
)
def test_replicates_time_to_wait_is_passed_on(webhook: RunningWebhook, theirs: str, ours: str) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(429, json={}, headers={"ratelimit-reset": theirs})
    assert webhook.call("POST", GENERATE, json=BODY).headers["retry-after"] == ours


def test_poll_of_a_busy_generator_is_429_with_its_time_to_wait(webhook: RunningWebhook) -> None:
    webhook.replicate.answers["/v1/predictions/pred1"] = httpx.Response(429, json={}, headers={"retry-after": "9"})
    answers = [webhook.call("GET", JOB) for _ in range(5)]
    assert {(each.status_code, each.headers["retry-after"]) for each in answers} == {(429, "9")}
    assert webhook.replicate.count("/v1/predictions/pred1") == 1


def test_token_goes_to_replicates_own_host_only(webhook: RunningWebhook) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(307, headers={"location": "https://evil.test/"})
    webhook.call("POST", GENERATE, json=BODY)
    assert {each.url.host for each in webhook.replicate.requests} == {"api.replicate.com"}


def test_prediction_is_shown_to_its_own_user_and_the_admin(webhook: RunningWebhook) -> None:
    webhook.call("POST", GENERATE, json=BODY | {"tags": ["fun"]})
    webhook.replicate.predictions["pred1"]["status"] = "processing"
    answer = webhook.call("GET", JOB)
    assert (answer.json()["status"], answer.json()["provider_status"]) == ("generating", "processing")
    assert answer.json()["tags"] == ["ai-generated", "fun"]
    assert [webhook.call("GET", JOB, token=token).status_code for token in (BOB, ROOT)] == [404, 200]


def test_prediction_is_shown_with_its_assets_once_there_are_any(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.callback(prediction(), path=webhook.replicate.callback_path())
    answer = webhook.call("GET", JOB).json()
    assert (answer["job_id"], answer["status"]) == ("pred1", "uploading")
    assert [each["job_id"] for each in answer["assets"]] == ["pred1"]


@pytest.mark.parametrize("job", ["..%2f..%2faccount", "%00", "x" * 300])
def test_id_that_is_none_is_404_and_not_asked_for(webhook: RunningWebhook, job: str) -> None:
    assert webhook.call("GET", f"/api/v1/replicate/predictions/{job}", token=ROOT).status_code == 404
    assert webhook.replicate.requests == []


@pytest.mark.parametrize("callback_url", [None, "https://other.test/hook", "https://media.test/?owner=forged.token"])
def test_prediction_of_others_on_the_account_is_shown_to_nobody(
    webhook: RunningWebhook, callback_url: str | None
) -> None:
    webhook.replicate.predictions["pred1"] = {"id": "pred1", "status": "processing", "webhook": callback_url}
    assert [webhook.call("GET", JOB, token=token).status_code for token in (ALICE, ROOT)] == [404, 404]


def test_polls_share_one_call_of_the_generator(webhook: RunningWebhook, monkeypatch: pytest.MonkeyPatch) -> None:
    # Forty requests take longer than the two seconds on a busy machine.
    monkeypatch.setattr(states, "_MIN_FRESH_S", 60.0)
    monkeypatch.setattr(states, "_MAX_FRESH_S", 60.0)
    webhook.call("POST", GENERATE, json=BODY)
    assert [webhook.call("GET", JOB).status_code for _ in range(20)] == [200] * 20
    assert [webhook.call("GET", JOB.replace("pred1", "unknown")).status_code for _ in range(20)] == [404] * 20
    assert webhook.replicate.count("/v1/predictions/pred1") == 1
    assert webhook.replicate.count("/v1/predictions/unknown") == 1


def test_failed_prediction_stays_failed_once_the_generator_forgets_it(webhook: RunningWebhook) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.replicate.predictions["pred1"] |= {"status": "failed", "error": "out of rabbits"}
    assert webhook.call("GET", JOB).json()["status"] == "failed"
    webhook.replicate.predictions.clear()
    answer = webhook.call("GET", JOB).json()
    assert (answer["status"], answer["provider_status"], answer["error"]) == ("failed", "failed", "out of rabbits")


def test_failure_that_was_called_back_is_known_after_a_restart(start: Start, prediction: Make) -> None:
    first, second = start(), start()
    first.call("POST", GENERATE, json=BODY | {"tags": ["fun"]})
    failed = prediction(status="canceled", output=None, error="out of rabbits")
    assert first.callback(failed, path=first.replicate.callback_path()).json()["status"] == "ignored"
    second.cluster.leases = first.cluster.leases
    answer = second.call("GET", JOB).json()
    assert (answer["status"], answer["provider_status"], answer["error"]) == ("failed", "canceled", "out of rabbits")
    assert answer["tags"] == ["ai-generated", "fun"]
    assert [second.call("GET", JOB, token=token).status_code for token in (BOB, ROOT)] == [404, 200]


def test_failed_callback_is_503_until_its_failure_is_recorded(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.cluster.down = True
    failed = prediction(status="failed", output=None)
    assert webhook.callback(failed, path=webhook.replicate.callback_path()).status_code == 503
    webhook.cluster.down = False
    assert [webhook.callback(failed, path=webhook.replicate.callback_path()).status_code for _ in range(2)] == [200] * 2
    assert len(webhook.cluster.leases) == 1


OUTPUTS = [f"https://replicate.delivery/{name}.mp4" for name in "abcd"]


@pytest.fixture
def job(webhook: RunningWebhook) -> RunningWebhook:
    """Webhook of which alice has started a prediction, in this minute."""
    webhook.cluster.minute = f"{datetime.now(UTC):%Y-%m-%dT%H:%M}"
    webhook.call("POST", GENERATE, json=BODY)
    return webhook


def called_back(webhook: RunningWebhook, body: dict[str, Any]) -> int:
    return webhook.callback(body, path=webhook.replicate.callback_path()).status_code


def finish(webhook: RunningWebhook, phase: str = "Ready") -> None:
    """Let the operator finish every import."""
    for resource in list(webhook.cluster.imports.values()):
        webhook.run(webhook.cluster.write(resource | {"status": {"phase": phase}}))
    versions = webhook.cluster.version
    webhook.until(lambda: webhook.call("GET", JOB).json()["assets"][0]["phase"] == phase)
    assert webhook.cluster.version == versions


def test_job_is_ready_only_when_all_outputs_are(job: RunningWebhook, prediction: Make) -> None:
    job.cluster.creations_left = 2
    assert called_back(job, prediction(output=OUTPUTS)) == 503
    finish(job)
    answer = job.call("GET", JOB).json()
    assert (answer["status"], answer["outputs_expected"], len(answer["assets"])) == ("uploading", 4, 2)
    job.cluster.creations_left = -1
    assert called_back(job, prediction(output=OUTPUTS)) == 200
    assert job.call("GET", JOB).json()["status"] == "uploading"
    finish(job)
    job.until(lambda: job.call("GET", JOB).json()["status"] == "ready")
    answer = job.call("GET", JOB).json()
    assert (answer["provider_status"], answer["outputs_expected"], len(answer["assets"])) == ("succeeded", 4, 4)


def test_outputs_that_did_not_come_within_the_hour_are_waited_for_no_longer(
    webhook: RunningWebhook, prediction: Make
) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.cluster.creations_left = 2
    called_back(webhook, prediction(output=OUTPUTS))
    finish(webhook)
    answer = webhook.call("GET", JOB).json()
    assert (answer["status"], answer["outputs_expected"], len(answer["assets"])) == ("ready", 4, 2)


def test_output_that_the_schema_refuses_is_not_expected(job: RunningWebhook, prediction: Make) -> None:
    assert called_back(job, prediction(output=["https://replicate.delivery/" + "a" * 70_000, OUTPUTS[0]])) == 200
    finish(job)
    answer = job.call("GET", JOB).json()
    assert (answer["status"], answer["outputs_expected"]) == ("ready", 1)


def test_deleted_output_is_not_waited_for(job: RunningWebhook, prediction: Make) -> None:
    called_back(job, prediction(output=OUTPUTS))
    finish(job)
    job.run(job.cluster.remove(next(iter(job.cluster.imports))))
    job.until(lambda: len(job.call("GET", JOB).json()["assets"]) == 3)
    assert job.call("GET", JOB).json()["status"] == "ready"


def test_job_with_a_failed_output_is_failed(job: RunningWebhook, prediction: Make) -> None:
    called_back(job, prediction(output=OUTPUTS))
    finish(job)
    first = next(iter(job.cluster.imports.values()))
    job.run(job.cluster.write(first | {"status": {"phase": "Failed"}}))
    job.until(lambda: job.call("GET", JOB).json()["status"] == "failed")


@pytest.mark.parametrize("count", ["", "many", "-1", "9" * 5000])
def test_count_that_is_none_is_left_out(job: RunningWebhook, prediction: Make, count: str) -> None:
    called_back(job, prediction())
    (resource,) = job.cluster.imports.values()
    resource["metadata"]["annotations"]["mediaimport.dev/prediction-outputs"] = count
    finish(job)
    answer = job.call("GET", JOB).json()
    assert (answer["status"], answer["outputs_expected"]) == ("ready", None)


def test_recorded_failure_is_shown_while_the_generator_is_down(start: Start, prediction: Make) -> None:
    first, second = start(), start()
    first.call("POST", GENERATE, json=BODY)
    failed = prediction(status="failed", output=None, error="out of rabbits")
    first.callback(failed, path=first.replicate.callback_path())
    second.cluster.leases = first.cluster.leases
    second.replicate.answers["/v1/predictions/pred1"] = httpx.Response(500)
    assert second.call("GET", JOB).json()["error"] == "out of rabbits"
    second.cluster.leases = {}
    assert second.call("GET", JOB).status_code == 503


def test_answer_without_an_id_is_the_generators_fault(webhook: RunningWebhook) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(201, json={"status": "starting"})
    answer = webhook.call("POST", GENERATE, json=BODY)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (502, "provider-answer-unreadable")


@pytest.mark.parametrize("output", ["a text", None, OUTPUTS[0] + "a" * 70_000])
def test_job_without_media_is_failed_after_its_callback(
    job: RunningWebhook, prediction: Make, output: str | None
) -> None:
    job.replicate.predictions["pred1"] |= {"status": "succeeded"}
    assert job.call("GET", JOB).json()["status"] == "uploading"
    assert called_back(job, prediction(output=output)) == 200
    job.replicate.predictions.pop("pred1") if output is None else None
    answer = job.call("GET", JOB).json()
    assert (answer["status"], answer["provider_status"], bool(answer["error"])) == ("failed", "succeeded", True)


def test_job_whose_only_asset_was_deleted_is_not_uploading(job: RunningWebhook, prediction: Make) -> None:
    job.replicate.predictions["pred1"] |= {"status": "succeeded"}
    called_back(job, prediction())
    finish(job)
    job.run(job.cluster.remove(next(iter(job.cluster.imports))))
    job.until(lambda: job.call("GET", JOB).json()["assets"] == [])
    assert job.call("GET", JOB).json()["status"] == "ready"


def test_deleted_output_is_not_waited_for_by_a_new_replica(job: RunningWebhook, start: Start, prediction: Make) -> None:
    called_back(job, prediction(output=OUTPUTS[:2]))
    finish(job)
    job.run(job.cluster.remove(next(iter(job.cluster.imports))))
    answer = start(replica_of=job).call("GET", JOB).json()
    assert (answer["status"], answer["outputs_expected"], len(answer["assets"])) == ("ready", 2, 1)


def test_only_output_that_was_deleted_is_not_waited_for_by_a_new_replica(
    job: RunningWebhook, start: Start, prediction: Make
) -> None:
    job.replicate.predictions["pred1"] |= {"status": "succeeded", "completed_at": datetime.now(UTC).isoformat()}
    called_back(job, prediction())
    finish(job)
    job.run(job.cluster.remove(next(iter(job.cluster.imports))))
    job.until(lambda: bool(job.cluster.leases))
    second = start(replica_of=job)
    for _ in range(2):
        answer = second.call("GET", JOB).json()
        assert (answer["status"], answer["error"], answer["assets"]) == ("ready", None, [])
        assert second.call("GET", JOB, token=BOB).status_code == 404
        job.replicate.predictions.clear()
        second = start(replica_of=job)


ASSET_DELETED = {
    "type": "Ready",
    "status": "False",
    "reason": "AssetDeleted",
    "message": "it was deleted",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    "deleted",
    [
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"deletionPolicy": "Delete"}},
        {"status": {"phase": "Failed", "conditions": [ASSET_DELETED]}},
    ],
    ids=["being deleted", "found deleted"],
)
@pytest.mark.parametrize("count", [1, 2])
def test_output_whose_deletion_is_seen_is_not_waited_for(
    job: RunningWebhook, start: Start, prediction: Make, deleted: dict[str, dict[str, Any]], count: int
) -> None:
    job.replicate.predictions["pred1"] |= {"status": "succeeded", "completed_at": datetime.now(UTC).isoformat()}
    called_back(job, prediction(output=OUTPUTS[:count]))
    finish(job)
    first = next(iter(job.cluster.imports.values()))
    changed = {name: first.get(name, {}) | deleted.get(name, {}) for name in ("metadata", "spec", "status")}
    job.run(job.cluster.write(first | changed))
    job.until(lambda: len(job.call("GET", JOB).json()["assets"]) == count - 1)
    for replica in (job, start(replica_of=job)):
        assert replica.call("GET", JOB).json()["status"] == "ready"


def test_output_that_never_came_is_waited_for_by_a_new_replica(
    job: RunningWebhook, start: Start, prediction: Make
) -> None:
    job.cluster.creations_left = 1
    assert called_back(job, prediction(output=OUTPUTS[:2])) == 503
    finish(job)
    assert start(replica_of=job).call("GET", JOB).json()["status"] == "uploading"


def test_output_that_the_api_server_refuses_is_not_waited_for(job: RunningWebhook, prediction: Make) -> None:
    job.cluster.refuses = lambda manifest: manifest["spec"]["source"]["provider"]["pointer"] == "/1"
    assert called_back(job, prediction(output=OUTPUTS[:2])) == 200
    finish(job)
    answer = job.call("GET", JOB).json()
    assert (answer["status"], answer["outputs_expected"]) == ("ready", 1)


def test_job_is_told_without_its_end_while_the_api_server_is_down(job: RunningWebhook, prediction: Make) -> None:
    job.cluster.creations_left = 1
    called_back(job, prediction(output=OUTPUTS[:2]))
    finish(job)
    job.cluster.down = True
    assert job.call("GET", JOB).json()["status"] == "uploading"


def test_asset_deleted_late_leaves_no_record(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    called_back(webhook, prediction())
    finish(webhook)
    webhook.run(webhook.cluster.remove(next(iter(webhook.cluster.imports))))
    webhook.until(lambda: webhook.call("GET", "/api/v1/media/").json()["assets"] == [])
    assert webhook.cluster.leases == {}


@pytest.mark.parametrize(("outputs", "records"), [(OUTPUTS[:1], 0), (OUTPUTS, 1)])
def test_record_is_written_only_where_the_outputs_do_not_tell_the_end(
    job: RunningWebhook, prediction: Make, outputs: list[str], records: int
) -> None:
    called_back(job, prediction(output=outputs))
    assert job.cluster.calls.count("create_lease") == records


def test_models_are_listed_with_the_schema_of_their_input(webhook: RunningWebhook) -> None:
    (model,) = webhook.call("GET", "/api/v1/models").json()["models"]
    assert model.pop("input")["properties"]["size"] == {"type": "string", "default": "720p", "enum": ["480p", "720p"]}
    assert model == {
        "alias": "wan-video-t2v",
        "provider": "replicate",
        "model": "wan-video/wan-2.5-t2v",
        "path": GENERATE,
    }


def test_no_model_is_listed_that_cannot_be_started(start: Start) -> None:
    for name in ("PUBLIC_BASE_URL", "OWNER_TOKEN_KEYS", "REPLICATE_MODELS_FILE", "REPLICATE_API_TOKEN"):
        webhook = start(**{name: None})
        assert (name, webhook.call("GET", "/api/v1/models").json()) == (name, {"models": []})


def test_models_are_told_to_callers_alone(webhook: RunningWebhook) -> None:
    assert webhook.call("GET", "/api/v1/models", token=None).status_code == 401
