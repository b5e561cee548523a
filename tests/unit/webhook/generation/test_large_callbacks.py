"""Callbacks above 5 MiB: their signature is checked while they pass, and the prediction is read from the API."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_api.names import prediction_asset_id

from tests.support.webhook import SECRET, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests.support.webhook import Make, RunningWebhook, Start

MIB = 1024 * 1024
OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
PATH, STATE = "/api/v1/replicate/webhook", "/v1/predictions/pred1"
PIECE = 64 * 1024


def large(prediction: Make, size_bytes: int = 8 * MIB, **changes: object) -> dict[str, Any]:
    """Return a prediction whose callback is that large, by its logs."""
    return prediction(logs="step\n" * (size_bytes // 6), **changes)


def body_of(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


async def post(
    webhook: RunningWebhook,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    path: str = PATH,
    chunked: bool = False,
) -> httpx.Response:
    """Send a callback as a server hands it on: in pieces; chunked, nobody knows its length before."""
    length = {} if chunked else {"Content-Length": str(len(body))}
    headers = {**length, **(signed(body) if headers is None else headers)}
    return await webhook.send("POST", path, headers=headers, content=in_pieces(body))


def call(webhook: RunningWebhook, content: object, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - those of post
    return webhook.run(post(webhook, body_of(content), **arguments))


def outcomes(webhook: RunningWebhook) -> dict[str, float]:
    names = ("imported", "ignored", "refused", "failed", "too-large")
    counts = {
        each: webhook.sample("mediaimport_webhook_callbacks_total", provider="replicate", outcome=each)
        for each in names
    }
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_large_callback_imports_what_the_api_says(webhook: RunningWebhook, prediction: Make, *, chunked: bool) -> None:
    webhook.replicate.predictions["pred1"] = prediction(output="https://replicate.delivery/xezq/abc/said.mp4")
    answer = call(webhook, large(prediction), chunked=chunked)
    assert (answer.status_code, answer.json()["status"]) == (200, "imported")
    assert [each["source"]["url"] for each in webhook.specs()] == ["https://replicate.delivery/xezq/abc/said.mp4"]
    (asked,) = webhook.replicate.requests
    assert (asked.url.path, asked.headers["authorization"]) == (STATE, "Bearer r8_token")
    assert outcomes(webhook) == {"imported": 1}


def test_callback_of_5_mib_is_read_itself_and_of_one_byte_more_from_the_api(
    webhook: RunningWebhook, prediction: Make
) -> None:
    padding = 5 * MIB - len(body_of(prediction(logs="")))
    webhook.replicate.predictions["pred1"] = prediction()
    for more in (0, 1):
        assert call(webhook, prediction(logs="x" * (padding + more))).status_code == 200
        assert webhook.replicate.count(STATE) == more


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
@pytest.mark.parametrize("secret", [None, OTHER_SECRET], ids=["unsigned", "another's signature"])
def test_large_callback_that_is_not_signed_is_401_and_nothing_is_asked(
    webhook: RunningWebhook, prediction: Make, secret: str | None, *, chunked: bool
) -> None:
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction))
    given = {} if secret is None else signed(body, secret=secret)
    answer = call(webhook, body, headers=given, chunked=chunked)
    assert (answer.status_code, webhook.replicate.requests, webhook.cluster.imports) == (401, [], {})
    assert outcomes(webhook) == {"refused": 1}


@pytest.mark.parametrize("place", [0, 5 * MIB + 1, -1])
def test_large_callback_with_one_changed_byte_is_401(webhook: RunningWebhook, prediction: Make, place: int) -> None:
    body = bytearray(body_of(large(prediction)))
    headers = signed(bytes(body))
    body[place] ^= 1
    assert call(webhook, bytes(body), headers=headers).status_code == 401
    assert webhook.replicate.requests == []


def test_former_secret_holds_for_large_callbacks_too(start: Start, prediction: Make) -> None:
    webhook = start(REPLICATE_WEBHOOK_SECRETS=f"{SECRET},{OTHER_SECRET}")
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction))
    assert call(webhook, body, headers=signed(body, secret=OTHER_SECRET)).status_code == 200


def test_secret_that_has_changed_meanwhile_is_503_once_and_then_known(
    start: Start, prediction: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body has passed before the new secret is known, and cannot be read again."""
    monkeypatch.setattr("mediaimport_webhook.generation.providers.fetched_secret._within", lambda *_: False)
    webhook = start(REPLICATE_WEBHOOK_SECRETS=None)
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction))
    assert call(webhook, body).status_code == 200
    secret = "/v1/webhooks/default/secret"
    webhook.replicate.answers[secret] = httpx.Response(200, json={"key": OTHER_SECRET})
    rotated = signed(body, secret=OTHER_SECRET)
    answers = [call(webhook, body, headers=rotated) for _ in range(2)]
    assert [each.status_code for each in answers] == [503, 200]
    assert int(answers[0].headers["retry-after"]) > 0
    assert call(webhook, body).status_code == 401


def peak_bytes(webhook: RunningWebhook, body: bytes, headers: dict[str, str]) -> int:
    """Return the most memory that a callback takes, which is accepted."""
    tracemalloc.start()
    try:
        assert call(webhook, body, headers=headers).status_code == 200
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_that_a_large_callback_takes_is_a_part_of_it(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction, 16 * MIB))
    headers = signed(body)
    call(webhook, prediction())  # what is loaded once
    assert peak_bytes(webhook, body, headers) < 4 * MIB


def test_long_texts_and_names_are_not_kept_while_a_body_passes(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.predictions["pred1"] = prediction()
    content = {"x" * 8 * MIB: 1, "id": "pred1", "error": "y" * 8 * MIB, "status": "succeeded"}
    body = body_of(content)
    headers = signed(body)
    call(webhook, prediction())
    assert peak_bytes(webhook, body, headers) < 4 * MIB


@pytest.mark.parametrize("status", [500, 503, 429, 401, 403, 404, 200])
def test_api_that_does_not_tell_is_503_and_the_repeated_callback_is_imported(
    webhook: RunningWebhook, prediction: Make, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    webhook.replicate.answers[STATE] = httpx.Response(status, json={"detail": "no"})
    refused = call(webhook, large(prediction))
    assert (refused.status_code, webhook.cluster.imports) == (503, {})
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["type"].rpartition("/")[2] in {"unavailable", "result-missing"}
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == [
        "a large callback's prediction could not be read"
    ]
    assert outcomes(webhook) == {"failed": 1}
    webhook.replicate.answers[STATE] = httpx.Response(200, json=prediction())
    assert call(webhook, large(prediction)).json()["status"] == "imported"


def test_api_that_cannot_be_reached_is_503_and_the_repeated_callback_is_imported(
    webhook: RunningWebhook, prediction: Make
) -> None:
    def away() -> None:
        raise httpx.ConnectError("refused")

    webhook.replicate.predictions["pred1"] = prediction()
    webhook.replicate.before_answer = away
    refused = call(webhook, large(prediction))
    assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
    webhook.replicate.before_answer = lambda: None
    assert call(webhook, large(prediction)).status_code == 200


def test_missing_token_of_the_account_is_503_and_named_in_answer_and_log(
    start: Start, prediction: Make, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = start(REPLICATE_API_TOKEN=None)
    answer = call(webhook, large(prediction))
    assert (answer.status_code, answer.json()["setting"]) == (503, "REPLICATE_API_TOKEN")
    assert int(answer.headers["retry-after"]) > 0
    (logged,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert "REPLICATE_API_TOKEN" in logged.__dict__["error"]


def test_prediction_that_still_runs_for_the_api_is_asked_for_again(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.predictions["pred1"] = prediction(status="processing", output=None)
    refused = call(webhook, large(prediction))
    assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)


@pytest.mark.parametrize("status", ["failed", "canceled", "processing"])
def test_large_callback_without_success_needs_nothing_of_the_api(
    webhook: RunningWebhook, prediction: Make, status: str
) -> None:
    answer = call(webhook, large(prediction, status=status, output=None, error="out of memory"))
    assert (answer.status_code, answer.json()["status"], webhook.replicate.requests) == (200, "ignored", [])


def test_end_of_a_failed_prediction_is_recorded_with_its_error(webhook: RunningWebhook, prediction: Make) -> None:
    started = webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    url = webhook.replicate.predictions["pred1"]["webhook"]
    content = large(prediction, status="failed", output=None, error="out of memory", webhook=url)
    assert call(webhook, content, path=webhook.replicate.callback_path()).status_code == 200
    webhook.replicate.predictions.clear()
    job = webhook.call("GET", f"/api/v1/replicate/predictions/{started.json()['job_id']}").json()
    assert (job["status"], job["error"]) == ("failed", "out of memory")


def test_asset_belongs_to_the_owner_in_the_callbacks_url(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    path = webhook.replicate.callback_path()
    webhook.replicate.predictions["pred1"] |= prediction()
    assert call(webhook, large(prediction), path=path).status_code == 200
    assert [each["userId"] for each in webhook.specs()] == ["alice"]


def test_owner_that_the_signed_body_does_not_name_is_403(webhook: RunningWebhook, prediction: Make) -> None:
    """The URL is not signed; the body's own `webhook` counts also where the API leaves it out."""
    for prompt in ("a rabbit", "a fox"):
        webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": prompt})
    own, other = (webhook.replicate.predictions[each]["webhook"] for each in ("pred1", "pred2"))
    webhook.replicate.predictions["pred1"] = prediction()
    answer = call(webhook, large(prediction, webhook=own), path=httpx.URL(other).raw_path.decode())
    assert (answer.status_code, webhook.cluster.imports) == (403, {})


def test_id_behind_six_megabytes_is_found(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.predictions["pred1"] = prediction()
    content = prediction(output="data:image/png;base64," + "A" * 6 * MIB)
    del content["id"]
    assert call(webhook, content | {"id": "pred1"}).status_code == 200
    assert [each.url.path for each in webhook.replicate.requests] == [STATE]


FAKES: dict[str, Callable[[], dict[str, Any]]] = {
    "in objects": lambda: {"output": {"id": "fake1", "status": "failed", "x": "x" * 6 * MIB}},
    "in lists": lambda: {"output": [[{"id": "fake1"}], {"status": "failed"}, "x" * 6 * MIB]},
    "in a text": lambda: {"logs": '{"id": "fake1", "status": "failed"}, "id": "fake1", ' + "x" * 6 * MIB},
    "behind backslashes": lambda: {"logs": '\\", "id": "fake1", "status": "failed' + '\\"' * 3 * MIB},
    "as a value": lambda: {"model": "id", "version": "status", "logs": "x" * 6 * MIB},
}


@pytest.mark.parametrize("fake", FAKES)
def test_ids_that_are_not_the_predictions_own_mislead_nobody(
    webhook: RunningWebhook, prediction: Make, fake: str
) -> None:
    webhook.replicate.predictions["pred1"] = prediction()
    content = prediction()
    own = {each: content.pop(each) for each in ("id", "status")}
    answer = call(webhook, content | FAKES[fake]() | own)
    assert (answer.status_code, answer.json()["status"]) == (200, "imported")
    assert [each.url.path for each in webhook.replicate.requests] == [STATE]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" + b"[]," * 2 * MIB + b'{"id": "pred1", "status": "succeeded"}]', id="a list"),
        pytest.param(b'"' + b"x" * 6 * MIB + b'"', id="a text"),
        pytest.param(b'{"a": "' + b"x" * 6 * MIB, id="half an object"),
        pytest.param(b'{"id": 5, "status": "succeeded", "a": "' + b"x" * 6 * MIB + b'"}', id="an id that is a number"),
        pytest.param(b'{"id": "../x", "status": "succeeded", "a": "' + b"x" * 6 * MIB + b'"}', id="an id of no path"),
        pytest.param(b'{"id": "\xff", "status": "succeeded", "a": "' + b"x" * 6 * MIB + b'"}', id="no UTF-8"),
    ],
)
def test_large_signed_nonsense_is_400_and_nothing_is_asked(webhook: RunningWebhook, content: bytes) -> None:
    answer = call(webhook, content)
    assert (answer.status_code, webhook.replicate.requests) == (400, [])


def test_body_that_ends_in_the_middle_asks_nothing_and_is_counted(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction))
    headers = [(b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in signed(body).items()]
    messages = [
        {"type": "http.request", "body": body[: 6 * MIB], "more_body": True},
        {"type": "http.disconnect"},
    ]
    statuses: list[int] = []

    async def receive() -> Any:  # noqa: ANN401 - ASGI
        return messages.pop(0)

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    webhook.run(webhook.app(scope | {"client": ("192.0.2.1", 1)}, receive, send))
    assert (statuses, webhook.replicate.requests, outcomes(webhook)) == ([499], [], {"failed": 1})
    assert call(webhook, large(prediction)).status_code == 200


def test_eight_large_callbacks_at_once_are_read_from_the_api_one_by_one(
    start: Start, prediction: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaimport_webhook.generation.large._MAX_WAIT_S", 100)  # for a slow machine
    webhook = start()
    files = [os.urandom(4 * MIB) for _ in range(8)]
    ids = [f"pred{number}" for number in range(len(files))]
    uris = ["data:image/png;base64," + base64.b64encode(data).decode() for data in files]
    for id_, uri in zip(ids, uris, strict=True):
        webhook.replicate.predictions[id_] = prediction(id=id_, output=uri)
    bodies = [body_of(webhook.replicate.predictions[each]) for each in ids]
    given = [(body, signed(body)) for body in bodies]
    under_way = most = 0
    put = webhook.incoming.put

    async def counted(key: str, content: Any) -> None:  # noqa: ANN401 - as the store's own
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await put(key, content)
        under_way -= 1

    webhook.incoming.put = counted  # type: ignore[method-assign]

    async def all_at_once() -> list[int]:
        return [each.status_code for each in await asyncio.gather(*(post(webhook, *each) for each in given))]

    assert webhook.run(all_at_once()) == [200] * len(files)
    assert (most, len(webhook.cluster.imports)) == (1, len(files))
    keys = [f"incoming/default/{prediction_asset_id('replicate', each, '')}" for each in ids]
    assert webhook.incoming.held == dict(zip(keys, files, strict=True))
    assert webhook.incoming.largest_piece <= 256 * 1024


def test_large_callback_whose_turn_does_not_come_is_503_and_sent_again(
    start: Start, prediction: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaimport_webhook.generation.large._MAX_WAIT_S", 0)
    webhook = start()
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction))
    headers = signed(body)

    async def both() -> list[httpx.Response]:
        return await asyncio.gather(*(post(webhook, body, headers) for _ in range(2)))

    answers = webhook.run(both())
    assert sorted(each.status_code for each in answers) == [200, 503]
    (refused,) = [each for each in answers if each.status_code == 503]
    assert (refused.json()["type"].rpartition("/")[2], refused.headers["retry-after"]) == ("overloaded", "2")
    assert call(webhook, body, headers=headers).status_code == 200


def test_data_uri_of_a_large_callback_waits_in_the_store(webhook: RunningWebhook, prediction: Make) -> None:
    data = os.urandom(10 * MIB)
    content = prediction(output=["data:image/png;base64," + base64.b64encode(data).decode()])
    webhook.replicate.predictions["pred1"] = content
    assert call(webhook, content).status_code == 200
    key = f"incoming/default/{prediction_asset_id('replicate', 'pred1', '/0')}"
    assert webhook.incoming.held == {key: data}
    assert webhook.specs()[0]["expected"] == {"sha256": hashlib.sha256(data).hexdigest(), "sizeBytes": len(data)}


def test_one_emoji_does_not_make_four_of_each_byte_that_the_api_answers(
    webhook: RunningWebhook, prediction: Make
) -> None:
    """Python keeps a text with one such character in four bytes for each."""
    size = 16 * MIB
    content = prediction(input={"prompt": "\N{RABBIT}"}, logs="x" * size)
    answer = json.dumps(content, ensure_ascii=False).encode()
    webhook.replicate.answers[STATE] = httpx.Response(200, content=answer)
    body = body_of(large(prediction))
    headers = signed(body)
    call(webhook, prediction(id="pred2"))
    assert peak_bytes(webhook, body, headers) < 3 * size
    recorded = next(each for each in webhook.specs() if each["source"]["provider"]["id"] == "pred1")
    assert recorded["source"]["provider"]["input"] == {"prompt": "\N{RABBIT}"}


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
def test_body_above_the_hard_limit_is_413_counted_and_logged(
    start: Start, prediction: Make, caplog: pytest.LogCaptureFixture, *, chunked: bool
) -> None:
    webhook = start(LARGE_CALLBACK_MAX_BYTES=str(7 * MIB))
    webhook.replicate.predictions["pred1"] = prediction()
    answer = call(webhook, large(prediction), chunked=chunked)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert (webhook.replicate.requests, outcomes(webhook)) == ([], {"too-large": 1})
    (logged,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert (logged.message, logged.__dict__["limit_bytes"]) == ("a callback is too large", 7 * MIB)


def test_id_behind_very_many_values_is_413_and_counted(
    webhook: RunningWebhook, prediction: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaimport_webhook.generation.skeleton._MAX_STEPS", 1000)
    content = prediction(output=[[[[[[]]]]]] * 1000, logs="x" * 6 * MIB)
    own = content.pop("id")
    answer = call(webhook, content | {"id": own})
    assert (answer.status_code, webhook.replicate.requests, outcomes(webhook)) == (413, [], {"too-large": 1})


def test_answer_of_the_api_above_the_hard_limit_is_503_and_names_the_setting(start: Start, prediction: Make) -> None:
    webhook = start(LARGE_CALLBACK_MAX_BYTES=str(7 * MIB))
    webhook.replicate.predictions["pred1"] = prediction(logs="x" * 8 * MIB)
    answer = call(webhook, large(prediction, 6 * MIB))
    assert (answer.status_code, webhook.cluster.imports) == (503, {})
    assert "LARGE_CALLBACK_MAX_BYTES" in answer.json()["detail"]


def test_eight_bodies_that_pass_together_are_more_than_one_address_may_hold(
    start: Start, prediction: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address may hold 16 MiB. A body that passes is not held."""
    monkeypatch.setattr("mediaimport_webhook.generation.large._MAX_WAIT_S", 100)  # for a slow machine
    webhook = start()
    webhook.replicate.predictions["pred1"] = prediction()
    body = body_of(large(prediction, 7 * MIB))
    headers = signed(body)

    async def all_at_once() -> set[int]:
        answers = await asyncio.gather(*(post(webhook, body, headers) for _ in range(8)))
        return {each.status_code for each in answers}

    assert webhook.run(all_at_once()) == {200}
