"""Bodies, queries and headers of callers that hold anything: refused or kept as they are, never an internal error."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.hostile_json import (
    HALF,
    MAX_DIGITS,
    Members,
    Token,
    fuzzed,
    nested,
    plain_texts,
    text_of,
    texts,
    values,
)  # fmt: skip
from tests.support.webhook import ALICE, MODELS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.webhook import RunningWebhook, Start

IMPORT = "/api/v1/media/import-from-url"
GENERATE = "/api/v1/replicate/wan-video-t2v"
URL = "https://example.com/video.mp4"
REFUSED = {400, 413, 422}
HEADERS = [
    "Authorization", "Idempotency-Key", "Last-Event-ID", "X-Request-Id", "X-Forwarded-For", "Content-Type", "Origin",
    "webhook-id", "webhook-timestamp", "webhook-signature", "X-Fal-Webhook-Request-Id", "X-Fal-Webhook-User-Id",
    "X-Fal-Webhook-Timestamp", "X-Fal-Webhook-Signature",
]  # fmt: skip
HEADER_VALUES = [
    b"", b"me", b"Bearer ", b"Bearer a.b.c", b"Bearer \xff\xfe", b"9" * 5000, b"-1", b"1e400", b"NaN", b"v1,",
    b"v1,AAAA v1,", b"0" * 128, b"f" * 128, b"x" * 4000, str(int(time.time())).encode(),
    str(2**63).encode(), "é".encode("latin-1"),
]  # fmt: skip
_numbers = count()

urls = st.one_of(
    texts,
    texts.map("https://{}/video.mp4".format),
    texts.map("https://example.com/{}".format),
    st.integers().map("https://example.com:{}/".format),
    st.sampled_from([URL, "https://[::1", "https://é.example/", "https://0x7f.1/", "data:video/mp4;base64,AAAA"]),
)
import_fields = st.fixed_dictionaries(
    {},
    optional={
        "url": st.one_of(st.just(URL), urls, values),
        "name": st.one_of(texts, values),
        "type": st.one_of(st.sampled_from(["auto", "video", "image", "audio"]), values),
        "metadata": st.one_of(st.dictionaries(texts, values, max_size=4), values),
        "tags": st.one_of(st.lists(texts, max_size=4), values),
    },
)
generation_fields = st.dictionaries(
    st.one_of(st.sampled_from(["prompt", "size", "duration", "seed", "strength", "tags"]), texts),
    st.one_of(values, texts, st.sampled_from(["a rabbit", "720p", "5s", "999999s"])),
    max_size=4,
)
metadata = st.dictionaries(
    plain_texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain_texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_texts, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@pytest.fixture
def replica(start: Start, webhook: RunningWebhook) -> RunningWebhook:
    return start(replica_of=webhook)


@pytest.fixture
def all_providers(start: Start) -> RunningWebhook:
    return start(FAL_USER_ID="me", FAL_JWKS_URL="https://rest.fal.test/jwks.json")


@pytest.fixture
def generating(start: Start, tmp_path: Path) -> RunningWebhook:
    """Return a webhook with a model that has a field of every type."""
    models = copy.deepcopy(MODELS)
    models["wan-video-t2v"]["input"] |= {"strength": {"type": "number"}, "loop": {"type": "boolean"}}  # type: ignore[operator]  # JSON
    file = tmp_path / "all-types.json"
    file.write_text(json.dumps(models))
    return start(REPLICATE_MODELS_FILE=str(file))


def post(webhook: RunningWebhook, path: str, body: bytes) -> int:
    answer = webhook.call("POST", path, content=body, headers={"content-type": "application/json"})
    return answer.status_code


def assert_readable(webhook: RunningWebhook) -> None:
    """Fail unless the list, and all that is in it, can be shown."""
    page = webhook.call("GET", "/api/v1/media/?limit=200")
    assert page.status_code == 200
    assert len(page.json()["assets"]) == min(len(webhook.cluster.imports), 200)


@fuzzed(200)
@given(fields=import_fields)
@example(fields={"url": URL, "metadata": {"a": Token("9" * MAX_DIGITS)}})
@example(fields={"url": URL, "metadata": {HALF: 1}})
@example(fields={"url": URL, "metadata": {"a": nested(300)}})
@example(fields={"url": URL, "tags": [HALF]})
@example(fields={"url": URL, "name": "\0"})
def test_import_request_of_any_shape_is_accepted_or_refused(webhook: RunningWebhook, fields: dict[str, Any]) -> None:
    before = len(webhook.cluster.imports)
    status = post(webhook, IMPORT, text_of(fields).encode())
    assert status in {202, *REFUSED}, fields
    assert len(webhook.cluster.imports) - before == (status == 202)
    assert_readable(webhook)


@fuzzed(100)
@given(kept=metadata, name=plain_texts.filter(bool), tags=st.lists(plain_texts.filter(bool), max_size=3, unique=True))
def test_valid_import_request_is_kept_as_it_is(
    webhook: RunningWebhook, kept: dict[str, Any], name: str, tags: list[str]
) -> None:
    body = {"url": URL, "name": name, "tags": tags, "metadata": kept}
    answer = webhook.call("POST", IMPORT, content=json.dumps(body).encode())
    assert answer.status_code == 202, answer.text
    shown = webhook.call("GET", f"/api/v1/media/{answer.json()['asset_id']}").json()
    assert (shown["name"], shown["tags"]) == (name, tags)
    assert {key: value for key, value in shown["metadata"].items() if key in kept} == kept


@fuzzed(100)
@given(fields=generation_fields)
@example(fields={"prompt": "a rabbit", "seed": Token("9" * 4300)})
@example(fields={"prompt": "a rabbit", "seed": Token("9" * MAX_DIGITS)})
@example(fields={"prompt": "a rabbit", "tags": ["\U0010ffff" * 63] * 32})
@example(fields={HALF: 1})
@example(fields={"prompt": "a rabbit", "strength": Token("NaN")})
@example(fields={"prompt": "a rabbit", "strength": Token("-1e400")})
def test_generation_of_any_shape_is_started_or_refused(generating: RunningWebhook, fields: dict[str, Any]) -> None:
    before = len(generating.replicate.predictions)
    status = post(generating, GENERATE, text_of(fields).encode())
    assert status in {202, *REFUSED}, fields
    assert len(generating.replicate.predictions) - before == (status == 202)


@fuzzed(60)
@given(body=st.one_of(st.binary(max_size=60), values.map(lambda each: text_of(each).encode())))
@example(body=b"[" * 100_000)
@example(body=b'{"a":' * 100_000)
@example(body=b"\xff\xfe{\x00}\x00")
@example(body=text_of(Members((("url", URL), ("url", HALF)))).encode())
@pytest.mark.parametrize("path", [IMPORT, GENERATE])
def test_body_of_any_bytes_is_refused(webhook: RunningWebhook, path: str, body: bytes) -> None:
    assert post(webhook, path, body) in REFUSED, body


@fuzzed(100)
@given(
    query=st.dictionaries(
        st.sampled_from(["limit", "cursor", "status", "type", "tag", "job_id", "user", "download", "owner", "x"]),
        st.one_of(
            plain_texts, st.binary(max_size=8).map(lambda each: each.decode("latin-1")), st.just("9" * MAX_DIGITS)
        ),
        max_size=3,
    ),
    path=st.sampled_from(["", "/{}", "/{}/events", "/{}/retry"]),
    place=plain_texts,
)
@example(query={"cursor": "WyIiLCIiLCIiXQ"}, path="", place="")
@example(query={"cursor": "eyJhIjoxLCJiIjoyLCJjIjozfQ"}, path="", place="")
def test_paths_and_queries_of_any_kind_are_answered(
    webhook: RunningWebhook, query: dict[str, str], path: str, place: str
) -> None:
    text = "&".join(f"{name}={quote(value.encode('utf-8', 'replace'))}" for name, value in query.items())
    answer = webhook.call("GET", f"/api/v1/media{path.format(quote(place, safe=''))}?{text}")
    assert answer.status_code in {200, 400, 404, 405, 422}


@fuzzed(150)
@given(
    route=st.sampled_from(
        ["GET /api/v1/media/", "GET /api/v1/media/{}/events", "POST /api/v1/media/import-from-url",
         "POST /api/v1/replicate/webhook", "POST /api/v1/fal/webhook", "GET /api/v1/replicate/predictions/p1"]
    ),
    headers=st.dictionaries(
        st.sampled_from(HEADERS), st.one_of(st.binary(max_size=20), st.sampled_from(HEADER_VALUES)), max_size=4
    ),
)  # fmt: skip
def test_headers_of_any_bytes_are_answered(
    all_providers: RunningWebhook, route: str, headers: dict[str, bytes]
) -> None:
    method, _, path = route.partition(" ")
    token = None if "Authorization" in headers else ALICE
    answer = all_providers.call(method, path.format(uuid4()), token=token, content=b"{}", headers=headers)
    assert answer.status_code in {200, *REFUSED, 401, 404}


@fuzzed(30)
@given(
    key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=240),
    deliveries=st.lists(st.integers(0, 1), min_size=2, max_size=5),
    kept=metadata,
)
def test_requests_with_one_key_to_two_replicas_at_once_are_one_import(
    webhook: RunningWebhook, replica: RunningWebhook, key: str, deliveries: list[int], kept: dict[str, Any]
) -> None:
    replicas, before = [webhook, replica], len(webhook.cluster.imports)
    headers = {"Authorization": f"Bearer {ALICE}", "Idempotency-Key": f"{next(_numbers)}{key}"}
    body = json.dumps({"url": URL, "metadata": kept}).encode()

    async def post_all() -> list[str]:
        sending = (replicas[each].send("POST", IMPORT, headers=headers, content=body) for each in deliveries)
        return [answer.json().get("asset_id", answer.text) for answer in await asyncio.gather(*sending)]

    assert len(set(webhook.run(post_all()))) == 1
    assert len(webhook.cluster.imports) - before == 1
