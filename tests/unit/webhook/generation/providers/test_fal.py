from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.webhook import ROOT

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook, Start

KEY, OLD_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
WEBHOOK, KEYS = "/api/v1/fal/webhook", "/.well-known/jwks.json"
IMAGE = {"url": "https://v3.fal.media/files/a/out.png", "content_type": "image/png", "width": 1024}


def body(**changes: object) -> bytes:
    whole = {"request_id": "024ca5b1-45d3", "gateway_request_id": "024ca5b1", "status": "OK"}
    return json.dumps(whole | {"payload": {"images": [IMAGE], "seed": 5}} | changes).encode()


def signed(
    content: bytes, *, key: Ed25519PrivateKey = KEY, user: str = "me", sent: int | None = None
) -> dict[str, str]:
    stamp = str(int(time.time()) if sent is None else sent)
    message = f"024ca5b1-45d3\n{user}\n{stamp}\n{hashlib.sha256(content).hexdigest()}"
    return {
        "X-Fal-Webhook-Request-Id": "024ca5b1-45d3",
        "X-Fal-Webhook-User-Id": user,
        "X-Fal-Webhook-Timestamp": stamp,
        "X-Fal-Webhook-Signature": key.sign(message.encode()).hex(),
    }


def key_set(*keys: Ed25519PrivateKey) -> httpx.Response:
    raw = [each.public_key().public_bytes_raw() for each in keys]
    encoded = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in raw]
    return httpx.Response(200, json={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": each} for each in encoded]})


@pytest.fixture
def fal(start: Start) -> RunningWebhook:
    webhook = start(FAL_USER_ID="me", FAL_JWKS_URL=f"https://rest.fal.test{KEYS}")
    webhook.replicate.answers[KEYS] = key_set(OLD_KEY, KEY)
    return webhook


def call(webhook: RunningWebhook, content: bytes, headers: dict[str, str]) -> httpx.Response:
    return webhook.call("POST", WEBHOOK, token=None, content=content, headers=headers)


def test_each_media_url_of_a_payload_becomes_an_import(fal: RunningWebhook) -> None:
    content = body(payload={"video": {"url": "https://v3.fal.media/a.mp4"}, "images": [IMAGE], "seed": 5})
    answer = call(fal, content, signed(content))
    assert answer.status_code == 200
    assert [each["pointer"] for each in answer.json()["assets"]] == ["/images/0/url", "/video/url"]
    providers = [each["source"]["provider"] for each in fal.specs()]
    assert {(each["name"], each["id"]) for each in providers} == {("fal", "024ca5b1-45d3")}
    assert all("expiresAt" not in each["source"] for each in fal.specs())
    assert all(each["tags"] == ["ai-generated"] and each["userId"] == "default" for each in fal.specs())


def test_recipe_is_what_the_payload_repeats(fal: RunningWebhook) -> None:
    made = {
        "prompt": "a rabbit",
        "negative_prompt": None,
        "seed": 196619188014358660,
        "timings": {"inference": 0.83},
        "has_nsfw_concepts": [False],
    }
    content = body(payload={"images": [IMAGE], **made})
    asset_id = call(fal, content, signed(content)).json()["assets"][0]["asset_id"]
    assert fal.call("GET", f"/api/v1/media/{asset_id}", token=ROOT).json()["generation"] == {
        "provider": "fal",
        "id": "024ca5b1-45d3",
        "pointer": "/images/0/url",
        "model": None,
        "version": None,
        "input": {"prompt": "a rabbit"},
        "metrics": {"inference": 0.83},
        "seed": "196619188014358660",
        "created_at": None,
        "started_at": None,
        "completed_at": None,
        "truncated": False,
    }


def test_recipe_is_that_of_a_fetched_result(asking: RunningWebhook) -> None:
    result = {"images": [IMAGE], "prompt": "a rabbit", "seed": 5}
    asking.replicate.answers[RESULT] = httpx.Response(200, json=result)
    call_with_model(asking, body(**LEFT_OUT), "fal-ai/flux")
    (provider,) = [each["source"]["provider"] for each in asking.specs()]
    assert (provider["model"], provider["input"], provider["seed"]) == ("fal-ai/flux", {"prompt": "a rabbit"}, "5")


def test_retried_callback_makes_nothing_new(fal: RunningWebhook) -> None:
    outcomes = [call(fal, body(), signed(body())).json()["assets"][0]["outcome"] for _ in range(2)]
    assert (outcomes, len(fal.cluster.imports)) == (["created", "duplicate"], 1)
    assert fal.sample("mediaimport_webhook_callbacks_total", provider="fal", outcome="imported") == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ERROR", "error": "Invalid status code: 422", "payload": {"detail": []}},
        {"payload": {"text": "https is a scheme"}},
    ],
)
def test_callback_without_media_is_taken_and_recorded(fal: RunningWebhook, changes: dict[str, Any]) -> None:
    answer = call(fal, body(**changes), signed(body(**changes)))
    assert (answer.status_code, answer.json()["status"], fal.cluster.imports) == (200, "ignored", {})
    assert len(fal.cluster.events) == 1


LEFT_OUT = {"payload": None, "payload_error": "Response payload is too large."}
RESULT = "/fal-ai/flux/requests/024ca5b1-45d3"


@pytest.fixture
def asking(start: Start) -> RunningWebhook:
    """A webhook that may fetch results."""
    webhook = start(FAL_USER_ID="me", FAL_JWKS_URL=f"https://rest.fal.test{KEYS}", FAL_KEY="fal-secret")
    webhook.replicate.answers[KEYS] = key_set(KEY)
    return webhook


def test_result_that_the_callback_leaves_out_is_fetched_with_the_key(asking: RunningWebhook) -> None:
    asking.replicate.answers[RESULT] = httpx.Response(200, json={"images": [IMAGE]})
    content = body(**LEFT_OUT)
    answer = call_with_model(asking, content, "fal-ai/flux")
    assert [each["pointer"] for each in answer.json()["assets"]] == ["/images/0/url"]
    asked = asking.replicate.requests[-1]
    assert (asked.url.host, asked.headers["authorization"]) == ("queue.fal.run", "Key fal-secret")
    assert [each["source"]["provider"]["model"] for each in asking.specs()] == ["fal-ai/flux"]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("fal-ai/flux/dev", RESULT),
        ("fal-ai/flux/dev/image-to-image", RESULT),
        ("workflows/me/mine", "/workflows/me/mine/requests/024ca5b1-45d3"),
    ],
)
def test_result_of_a_model_with_a_sub_path_is_asked_of_the_model(asking: RunningWebhook, model: str, path: str) -> None:
    asking.replicate.answers[path] = httpx.Response(200, json={"images": [IMAGE]})
    answer = call_with_model(asking, body(**LEFT_OUT), model)
    assert (answer.status_code, answer.json()["status"]) == (200, "imported")
    assert [each["source"]["provider"]["model"] for each in asking.specs()] == [model]


@pytest.mark.parametrize(
    "model",
    ["", "fal-ai", "../../secrets/flux", "fal-ai/flux/../..", "fal-ai/flux?x=", "fal-ai/flux//dev", "a/b#c", "é/b"],
)
def test_left_out_result_without_a_model_is_503_and_leads_nowhere(asking: RunningWebhook, model: str) -> None:
    answer = call_with_model(asking, body(**LEFT_OUT), model)
    assert (answer.status_code, answer.json()["setting"]) == (503, "?model=")
    assert [each.url.path for each in asking.replicate.requests] == [KEYS]


@pytest.mark.parametrize("status", [400, 401, 403, 408, 429, 500, 502])
def test_left_out_result_that_fal_does_not_give_now_is_503(asking: RunningWebhook, status: int) -> None:
    asking.replicate.answers[RESULT] = httpx.Response(status)
    answer = call_with_model(asking, body(**LEFT_OUT), "fal-ai/flux")
    assert (answer.status_code, asking.cluster.imports) == (503, {})
    assert answer.json().get("setting") == ("FAL_KEY" if status in {401, 403} else None)
    asking.replicate.answers[RESULT] = httpx.Response(200, json={"images": [IMAGE]})
    assert call_with_model(asking, body(**LEFT_OUT), "fal-ai/flux").json()["status"] == "imported"


@pytest.mark.parametrize("payload_error", ["Response payload is too large.", "It is not JSON serializable."])
def test_left_out_result_without_a_key_is_503_and_names_the_setting(fal: RunningWebhook, payload_error: str) -> None:
    answer = call_with_model(fal, body(payload=None, payload_error=payload_error), "fal-ai/flux")
    assert (answer.status_code, answer.json()["setting"]) == (503, "FAL_KEY")


@pytest.mark.parametrize("status", [404, 410, 422])
def test_left_out_result_that_the_model_does_not_have_is_503_and_imported_once_it_has(
    asking: RunningWebhook, status: int
) -> None:
    asking.replicate.answers[RESULT] = httpx.Response(status)
    answer = call_with_model(asking, body(**LEFT_OUT), "fal-ai/flux")
    assert (answer.status_code, answer.json()["setting"], asking.cluster.imports) == (503, "?model=", {})
    assert answer.json()["type"].endswith("/result-missing")
    asking.replicate.answers[RESULT] = httpx.Response(200, json={"images": [IMAGE]})
    assert call_with_model(asking, body(**LEFT_OUT), "fal-ai/flux").json()["status"] == "imported"


def call_with_model(webhook: RunningWebhook, content: bytes, model: str) -> httpx.Response:
    place = f"{WEBHOOK}?{urlencode({'model': model})}"
    return webhook.call("POST", place, token=None, content=content, headers=signed(content))


LARGE = {"payload": {"images": [IMAGE], "text": "x" * 6 * 1024 * 1024}}


def test_large_callback_imports_the_result_that_the_queue_has(asking: RunningWebhook) -> None:
    asking.replicate.answers[RESULT] = httpx.Response(200, json={"images": [IMAGE | {"url": "https://v3.fal.media/b"}]})
    answer = call_with_model(asking, body(**LARGE), "fal-ai/flux")
    assert (answer.status_code, answer.json()["status"]) == (200, "imported")
    assert [each["source"]["url"] for each in asking.specs()] == ["https://v3.fal.media/b"]
    assert asking.replicate.count(RESULT) == 1


def test_large_callback_that_is_not_signed_asks_the_queue_nothing(asking: RunningWebhook) -> None:
    content = body(**LARGE)
    answers = [call(asking, content, each) for each in ({}, signed(content + b" "), signed(content, user="another"))]
    assert [each.status_code for each in answers] == [401, 401, 401]
    assert asking.replicate.count(RESULT) == 0


def test_large_callback_of_a_failure_is_recorded_and_asks_nothing(asking: RunningWebhook) -> None:
    answer = call_with_model(asking, body(**LARGE | {"status": "ERROR", "error": "no memory"}), "fal-ai/flux")
    assert (answer.status_code, answer.json()["status"], asking.replicate.count(RESULT)) == (200, "ignored", 0)


@pytest.mark.parametrize(("status", "setting"), [(500, None), (429, None), (403, "FAL_KEY"), (404, "?model=")])
def test_large_callback_whose_result_fal_does_not_give_now_is_sent_again(
    asking: RunningWebhook, status: int, setting: str | None
) -> None:
    asking.replicate.answers[RESULT] = httpx.Response(status)
    refused = call_with_model(asking, body(**LARGE), "fal-ai/flux")
    assert (refused.status_code, refused.json().get("setting")) == (503, setting)
    assert int(refused.headers["retry-after"]) > 0
    asking.replicate.answers[RESULT] = httpx.Response(200, json={"images": [IMAGE]})
    assert call_with_model(asking, body(**LARGE), "fal-ai/flux").json()["status"] == "imported"


def test_large_callback_without_a_key_is_sent_again_and_names_the_setting(fal: RunningWebhook) -> None:
    answer = call_with_model(fal, body(**LARGE), "fal-ai/flux")
    assert (answer.status_code, answer.json()["setting"]) == (503, "FAL_KEY")
    assert int(answer.headers["retry-after"]) > 0


def test_callback_not_signed_for_our_account_is_refused(fal: RunningWebhook) -> None:
    now = int(time.time())
    good = signed(body(), sent=now)
    bad: list[dict[str, str]] = [
        {},
        signed(body(), key=Ed25519PrivateKey.generate()),
        signed(body(), user="another"),
        signed(body(), sent=now - 301),
        signed(body(), sent=now + 900),  # later than 300 s, however slow the machine
        good | {"X-Fal-Webhook-Timestamp": str(now - 1)},
        good | {"X-Fal-Webhook-Request-Id": "other"},
        good | {"X-Fal-Webhook-Signature": good["X-Fal-Webhook-Signature"][:-2]},
        good | {"X-Fal-Webhook-Signature": "zz" * 64},
        {name: value for name, value in good.items() if name != "X-Fal-Webhook-User-Id"},
        signed(body(status="ERROR")),
    ]
    answers = [call(fal, body(), each) for each in bad]
    assert [each.status_code for each in answers] == [401] * len(bad)
    assert fal.cluster.imports == {}
    assert call(fal, body(), good).status_code == 200


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"request_id": "a/b", "status": "OK"}', b'{"request_id": "a"}'])
def test_signed_body_that_tells_of_no_request_is_400(fal: RunningWebhook, content: bytes) -> None:
    assert call(fal, content, signed(content)).status_code == 400


def test_keys_that_cannot_be_fetched_are_503(fal: RunningWebhook) -> None:
    fal.replicate.answers[KEYS] = httpx.Response(500)
    assert call(fal, body(), signed(body())).status_code == 503


def test_without_the_account_the_route_names_the_setting(webhook: RunningWebhook) -> None:
    answer = call(webhook, body(), signed(body()))
    assert (answer.status_code, answer.json()["setting"]) == (503, "FAL_USER_ID")
