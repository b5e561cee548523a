from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from mediaimport_api.names import prediction_asset_id, prediction_resource_name
from mediaimport_runtime.kubernetes.errors import UnavailableError
from mediaimport_webhook.generation.intake import ConcurrencyLimiter

from tests.support.webhook import BOB, OWNER_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.webhook import Make, RunningWebhook, Start

OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def test_succeeded_prediction_becomes_an_import(webhook: RunningWebhook, prediction: Make) -> None:
    answer = webhook.callback(prediction())
    asset_id = str(prediction_asset_id("replicate", "pred1", ""))
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "imported",
        "assets": [{"pointer": "", "asset_id": asset_id, "outcome": "created"}],
    }
    (resource,) = webhook.cluster.imports.values()
    assert resource["metadata"]["name"] == prediction_resource_name("replicate", "pred1", "")
    assert resource["metadata"]["labels"]["mediaimport.dev/prediction"] == "pred1"
    spec = resource["spec"]
    assert spec["source"] == {
        "url": "https://replicate.delivery/xezq/abc/output.mp4",
        "expiresAt": "2026-01-01T01:01:00Z",
        "provider": {
            "name": "replicate",
            "id": "pred1",
            "pointer": "",
            "model": "wan-video/wan-2.5-t2v",
            "version": "hidden",
            "input": {"image": "https://user.test/own.png", "prompt": "a rabbit"},
            "createdAt": "2026-01-01T00:00:00Z",
            "completedAt": "2026-01-01T00:01:00Z",
        },
    }
    assert (spec["assetId"], spec["userId"], spec["name"]) == (asset_id, "default", "output.mp4")
    assert spec["tags"] == ["ai-generated"]


def test_every_output_becomes_an_import_of_its_own(webhook: RunningWebhook, prediction: Make) -> None:
    answer = webhook.callback(
        prediction(output=["https://replicate.delivery/a.mp4", {"b": "https://replicate.delivery/b.mp4"}])
    )
    assert [each["pointer"] for each in answer.json()["assets"]] == ["/0", "/1/b"]
    assert len(webhook.cluster.imports) == 2


def test_second_delivery_makes_nothing_new(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction())
    answer = webhook.callback(prediction())
    assert (answer.status_code, answer.json()["assets"][0]["outcome"]) == (200, "duplicate")
    assert len(webhook.cluster.imports) == 1


def test_duplicate_that_cannot_be_shown_is_logged_once(
    webhook: RunningWebhook, prediction: Make, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.callback(prediction())
    (resource,) = webhook.cluster.imports.values()
    resource["spec"]["tags"] = 5
    assert webhook.callback(prediction()).json()["assets"][0]["outcome"] == "duplicate"
    assert [each.message for each in caplog.records].count("a resource cannot be shown") == 1


def test_name_of_another_user_is_left_alone_and_told(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction())
    (resource,) = webhook.cluster.imports.values()
    resource["spec"]["userId"] = "mallory"
    answer = webhook.callback(prediction())
    assert (answer.status_code, answer.json()["assets"][0]["outcome"]) == (200, "taken")
    assert webhook.cluster.events[-1][0] == "OutputRefused"


@pytest.mark.parametrize("status", ["failed", "canceled", "aborted"])
def test_prediction_that_did_not_succeed_is_answered_and_told(
    webhook: RunningWebhook, prediction: Make, status: str
) -> None:
    answer = webhook.callback(prediction(status=status, output=None))
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert webhook.cluster.events == [("PredictionNotSucceeded", f"replicate pred1: its state is {status}")]
    assert webhook.cluster.imports == {}


@pytest.mark.parametrize("status", ["starting", "processing", "something-new"])
def test_prediction_under_way_is_answered_even_with_output(
    webhook: RunningWebhook, prediction: Make, status: str
) -> None:
    answer = webhook.callback(prediction(status=status, output="data:video/mp4;base64,AAAA"))
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert (webhook.cluster.imports, webhook.cluster.events) == ({}, [])


@pytest.mark.parametrize("output", [None, ["Hel", "lo"], {"page": "https://replicate.delivery/a.html"}])
def test_output_without_media_is_answered_and_told(webhook: RunningWebhook, prediction: Make, output: object) -> None:
    answer = webhook.callback(prediction(output=output))
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert webhook.cluster.events[0][0] == "NoMediaOutput"


def test_input_is_never_walked(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction(output=None, input={"video": "https://user.test/own.mp4"}))
    assert webhook.cluster.imports == {}


def test_item_that_the_schema_refuses_holds_up_no_other(webhook: RunningWebhook, prediction: Make) -> None:
    long = "https://replicate.delivery/" + "a" * 70_000
    answer = webhook.callback(prediction(output=[long, "https://replicate.delivery/b.mp4"]))
    assert answer.status_code == 200
    assert [each["outcome"] for each in answer.json()["assets"]] == ["refused", "created"]
    assert webhook.cluster.events[0][0] == "OutputRefused"


def test_item_that_the_api_server_refuses_is_answered(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.cluster.refusal = "spec.source.url: too long"
    answer = webhook.callback(prediction())
    assert (answer.status_code, answer.json()["assets"][0]["outcome"]) == (200, "refused")
    assert (answer.json()["status"], answer.json()["reason"]) == ("ignored", "none of its outputs is imported")


def test_output_that_is_too_long_for_a_resource_is_not_answered_as_imported(
    webhook: RunningWebhook, prediction: Make
) -> None:
    answer = webhook.callback(prediction(output="https://replicate.delivery/" + "A" * 100_000))
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert webhook.cluster.imports == {}
    assert webhook.cluster.events[0][0] == "OutputRefused"


def test_no_api_server_is_503_with_a_time_to_come_again(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.cluster.down = True
    answer = webhook.callback(prediction())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.headers["content-type"] == "application/problem+json"


def test_retry_completes_what_was_half_done(webhook: RunningWebhook, prediction: Make) -> None:
    output = ["https://replicate.delivery/a.mp4", "https://replicate.delivery/b.mp4"]
    webhook.callback(prediction(output=output[:1]))
    answer = webhook.callback(prediction(output=output))
    assert [each["outcome"] for each in answer.json()["assets"]] == ["duplicate", "created"]


GENERATE = "/api/v1/replicate/wan-video-t2v"


def owned(webhook: RunningWebhook) -> list[tuple[str, list[str]]]:
    return [(each["userId"], each["tags"]) for each in webhook.specs()]


def test_owner_and_tags_come_back_with_the_callback(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit", "tags": ["fun"]})
    webhook.callback(prediction(), path=webhook.replicate.callback_path())
    assert owned(webhook) == [("alice", ["ai-generated", "fun"])]


def test_callback_before_the_answer_to_its_creation_is_the_users(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.answers["/v1/models/wan-video/wan-2.5-t2v/predictions"] = httpx.Response(502)
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit"})
    url = httpx.URL(json.loads(webhook.replicate.requests[-1].content)["webhook"])
    webhook.callback(prediction(), path=url.raw_path.decode())
    assert owned(webhook) == [("alice", ["ai-generated"])]


def test_owner_is_read_from_the_prediction_where_the_query_was_lost(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit"})
    webhook.callback(prediction(webhook=webhook.replicate.predictions["pred1"]["webhook"]))
    assert owned(webhook) == [("alice", ["ai-generated"])]


def test_callback_without_a_token_is_the_default_users(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.callback(prediction(webhook="https://media.test/api/v1/replicate/webhook"))
    assert owned(webhook) == [("default", ["ai-generated"])]


@pytest.mark.parametrize("alter", [lambda each: each[:-1], lambda _: "", lambda each: "x" + each, lambda _: "e30.AAAA"])
def test_signed_callback_with_a_broken_token_is_refused_and_told(
    webhook: RunningWebhook, prediction: Make, alter: Callable[[str], str]
) -> None:
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit"})
    path, _, token = webhook.replicate.callback_path().partition("=")
    answer = webhook.callback(prediction(), path=f"{path}={alter(token)}")
    assert (answer.status_code, webhook.cluster.imports) == (403, {})
    assert answer.json()["type"].endswith("/owner-token-refused")
    assert webhook.cluster.events == [
        ("OwnerTokenRefused", "replicate pred1: the owner token is not signed with a key of this service")
    ]
    assert webhook.sample("mediaimport_webhook_callbacks_total", provider="replicate", outcome="refused") == 1


def test_token_of_another_key_is_refused_until_the_key_is_listed(
    start: Start, webhook: RunningWebhook, prediction: Make
) -> None:
    new = "another-key-0123456789-0123456789-0123456789"
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit"})
    path = webhook.replicate.callback_path()
    assert start(OWNER_TOKEN_KEYS=new).callback(prediction(), path=path).status_code == 403
    rotated = start(OWNER_TOKEN_KEYS=f"{new},{OWNER_KEY}")
    assert rotated.callback(prediction(), path=path).status_code == 200
    assert owned(rotated) == [("alice", ["ai-generated"])]


def test_token_that_contradicts_the_signed_body_is_refused(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit"})
    webhook.call("POST", GENERATE, token=BOB, json={"prompt": "a rabbit"})
    body = prediction(webhook=webhook.replicate.predictions["pred1"]["webhook"])
    assert webhook.callback(body, path=webhook.replicate.callback_path("pred2")).status_code == 403
    assert webhook.cluster.imports == {}


def test_token_without_any_key_is_503_and_names_the_setting(
    start: Start, webhook: RunningWebhook, prediction: Make
) -> None:
    webhook.call("POST", GENERATE, json={"prompt": "a rabbit"})
    answer = start(OWNER_TOKEN_KEYS=None).callback(prediction(), path=webhook.replicate.callback_path())
    assert (answer.status_code, answer.json()["setting"]) == (503, "OWNER_TOKEN_KEYS")


@pytest.mark.parametrize(
    ("headers", "because"),
    [
        ({"webhook-signature": ""}, "missing"),
        ({"webhook-id": "other"}, "no signature matches"),
        ({"webhook-timestamp": "1614265330"}, "away from now"),
        ({"webhook-signature": "v1,AAAA"}, "no signature matches"),
    ],
)
def test_unsigned_callback_is_401_and_creates_nothing(
    webhook: RunningWebhook, prediction: Make, headers: dict[str, str], because: str
) -> None:
    body = json.dumps(prediction()).encode()
    good = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,x"}
    answer = webhook.call("POST", "/api/v1/replicate/webhook", token=None, content=body, headers=good | headers)
    assert answer.status_code == 401
    assert answer.json()["type"] == "https://mediaimport.dev/problems/signature-refused"
    assert because in answer.json()["detail"]
    assert webhook.cluster.imports == {}


def test_old_callback_with_a_right_signature_is_401(webhook: RunningWebhook, prediction: Make) -> None:
    assert webhook.callback(prediction(), sent=int(time.time()) - 301).status_code == 401
    assert webhook.cluster.imports == {}


def test_former_secret_holds_while_it_is_listed(start: Start, prediction: Make) -> None:
    webhook = start(REPLICATE_WEBHOOK_SECRETS=f"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,{OTHER_SECRET}")
    assert webhook.callback(prediction(), secret=OTHER_SECRET).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"id": 1, "status": "succeeded"}', b"[" * 100_000])
def test_signed_nonsense_is_400(webhook: RunningWebhook, body: bytes) -> None:
    answer = webhook.callback(body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_body_over_64_mib_is_413(webhook: RunningWebhook, prediction: Make) -> None:
    assert webhook.callback(prediction(logs="x" * 64 * 1024 * 1024)).status_code == 413


def test_body_under_5_mib_is_taken(webhook: RunningWebhook, prediction: Make) -> None:
    assert webhook.callback(prediction(logs="x" * 4 * 1024 * 1024)).status_code == 200


def test_no_secret_and_no_token_is_503_and_named(start: Start, prediction: Make) -> None:
    webhook = start(REPLICATE_WEBHOOK_SECRETS=None, REPLICATE_API_TOKEN=None)
    answer = webhook.callback(prediction())
    assert (answer.status_code, answer.json()["setting"]) == (503, "REPLICATE_WEBHOOK_SECRETS")


def test_unsigned_callback_without_any_secret_is_503_and_named(start: Start) -> None:
    webhook = start(REPLICATE_WEBHOOK_SECRETS=None, REPLICATE_API_TOKEN=None)
    answer = webhook.call("POST", "/api/v1/replicate/webhook", json={}, token=None)
    assert (answer.status_code, answer.json()["setting"]) == (503, "REPLICATE_WEBHOOK_SECRETS")


def test_secret_is_asked_of_replicate_once_when_only_the_token_is_set(start: Start, prediction: Make) -> None:
    webhook = start(REPLICATE_WEBHOOK_SECRETS=None)
    assert [webhook.callback(prediction()).status_code for _ in range(2)] == [200, 200]
    (request,) = webhook.replicate.requests
    assert request.url == "https://api.replicate.com/v1/webhooks/default/secret"
    assert request.headers["authorization"] == "Bearer r8_token"


def test_secret_that_replicate_does_not_give_is_502(start: Start, prediction: Make) -> None:
    webhook = start(REPLICATE_WEBHOOK_SECRETS=None)
    webhook.replicate.answers["/v1/webhooks/default/secret"] = httpx.Response(401, json={"detail": "no"})
    assert webhook.callback(prediction()).status_code == 502
    assert webhook.cluster.imports == {}


def test_limiter_runs_no_more_than_its_limit_and_in_order_of_arrival() -> None:
    async def run() -> None:
        limiter, order, running, most = ConcurrencyLimiter(2, max_wait_s=5), [], 0, 0

        async def work(number: int) -> None:
            nonlocal running, most
            async with limiter.slot():
                running += 1
                most = max(most, running)
                order.append(number)
                await asyncio.sleep(0)
                running -= 1

        await asyncio.gather(*(work(each) for each in range(10)))
        assert (most, order) == (2, list(range(10)))

    asyncio.run(run())


def test_limiter_refuses_a_long_wait_with_retry_after_and_frees_no_slot() -> None:
    async def run() -> None:
        limiter = ConcurrencyLimiter(1, max_wait_s=0.01)
        async with limiter.slot():
            with pytest.raises(UnavailableError) as refusal:
                async with limiter.slot():
                    pass
            assert refusal.value.retry_after_s > 0
        async with limiter.slot():
            pass

    asyncio.run(run())


def test_limiter_frees_the_slot_of_failed_work() -> None:
    async def run() -> None:
        limiter = ConcurrencyLimiter(1, max_wait_s=0.01)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with limiter.slot():
                    raise ZeroDivisionError

    asyncio.run(run())
