"""Callbacks that are signed correctly and hold anything: no 500, nothing imported twice, nothing valid lost."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.hostile_json import HALF, MAX_DIGITS, Members, Token, around, fuzzed, nested, text_of, texts, values
from tests.support.webhook import RunningWebhook, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DataObject

    from tests.support.webhook import Start

KEY = Ed25519PrivateKey.generate()
KEYS = "/.well-known/jwks.json"
HEADER = "X-Fal-Webhook-"
_numbers = count()


@dataclass(frozen=True)
class Generator:
    """Generator as its callbacks show it: the fields that a callback needs, and all that it may have."""

    name: str
    id_field: str
    status: str
    output_field: str
    other_fields: tuple[str, ...]

    def body(self, id_: str, output: Any, others: Mapping[str, Any]) -> bytes:  # noqa: ANN401 - JSON
        """Return a callback about a success. Of two fields with one name the last is read, so garbage goes first."""
        fields = {self.id_field: id_, "status": self.status, self.output_field: output}
        return text_of(Members((*((k, v) for k, v in others.items() if k not in fields), *fields.items()))).encode()

    def headers(self, body: bytes) -> dict[str, str]:
        """Return the headers of a callback that the generator signed just now."""
        if self.name == "replicate":
            return signed(body)
        about = {"Request-Id": "r1", "User-Id": "me", "Timestamp": str(int(time.time()))}
        message = "\n".join([*about.values(), hashlib.sha256(body).hexdigest()])
        about["Signature"] = KEY.sign(message.encode()).hex()
        return {HEADER + name: value for name, value in about.items()}


REPLICATE = Generator(
    "replicate", "id", "succeeded", "output",
    ("model", "version", "created_at", "completed_at", "error", "webhook", "logs", "input", "metrics", "urls"),
)  # fmt: skip
FAL = Generator("fal", "request_id", "OK", "payload", ("error", "payload_error", "gateway_request_id"))
each_generator = pytest.mark.parametrize("generator", [REPLICATE, FAL], ids=lambda each: each.name)

times = st.sampled_from(
    [
        "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", "9000-06-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59Z", "2026-01-01T00:00:00", "2016-12-31T23:59:60Z",
    ]
)  # fmt: skip
field_values = st.one_of(values, texts, times, texts.map("https://media.test/?owner={}".format))


@pytest.fixture
def replicas(start: Start) -> tuple[RunningWebhook, RunningWebhook]:
    """Two webhooks of one cluster that know both generators."""
    variables = {"FAL_USER_ID": "me", "FAL_JWKS_URL": f"https://rest.fal.test{KEYS}", "FAL_KEY": "fal-secret"}
    first = start(**variables)
    first.replicate.answers[KEYS] = key_set()
    return first, start(replica_of=first, **variables)


def key_set() -> httpx.Response:
    encoded = base64.urlsafe_b64encode(KEY.public_key().public_bytes_raw()).decode().rstrip("=")
    return httpx.Response(200, json={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": encoded}]})


def deliver(webhook: RunningWebhook, generator: Generator, *bodies: bytes) -> list[httpx.Response]:
    """Send callbacks at the same time."""
    return deliver_to([webhook] * len(bodies), generator, bodies)


def deliver_to(webhooks: list[RunningWebhook], generator: Generator, bodies: tuple[bytes, ...]) -> list[httpx.Response]:
    async def all_of_them() -> list[httpx.Response]:
        path = f"/api/v1/{generator.name}/webhook"
        sending = (
            webhook.send("POST", path, headers=generator.headers(body), content=body)
            for webhook, body in zip(webhooks, bodies, strict=True)
        )
        return await asyncio.gather(*sending)

    return webhooks[0].run(all_of_them())


def imported(webhook: RunningWebhook, id_: str) -> list[str]:
    """Return the URLs of the imports of a prediction, with each as often as it is imported."""
    sources = [each["source"] for each in webhook.specs()]
    return sorted(each["url"] for each in sources if each["provider"]["id"] == id_)


def media(number: int, place: int) -> str:
    return f"https://files.test/{number}/{place}.mp4"


@each_generator
@fuzzed(60)
@given(data=st.data())
def test_valid_outputs_among_garbage_are_imported_once_each(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator, data: DataObject
) -> None:
    number, (first, second) = next(_numbers), replicas
    urls = [media(number, place) for place in range(data.draw(st.integers(1, 3)))]
    output = around([around(each, data.draw, levels=4) for each in urls], data.draw, levels=8)
    others = data.draw(st.dictionaries(st.sampled_from(generator.other_fields), field_values, max_size=4))
    body = generator.body(f"p{number}", output, {k: v for k, v in others.items() if k != "webhook"})
    answers = deliver_to([first, second, first], generator, (body,) * 3)
    assert {each.status_code for each in answers} == {200}, body
    found = [each for each in imported(first, f"p{number}") if each in urls]
    assert found == sorted(urls), body
    outcomes = [each["outcome"] for answer in answers for each in answer.json()["assets"]]
    assert outcomes.count("created") == len(imported(first, f"p{number}"))
    assert "taken" not in outcomes


@each_generator
@pytest.mark.parametrize(
    "extra",
    [
        {"model": HALF},
        {"version": f"a{HALF}"},
        {"error": HALF},
        {"webhook": f"https://media.test/?x={HALF}"},
        {"metrics": Token("9" * MAX_DIGITS)},
        {"metrics": Token("-" + "9" * MAX_DIGITS)},
        {"metrics": Token("NaN")},
        {"completed_at": "9999-12-31T23:59:59-01:00"},
        {"completed_at": "9999-12-31T23:30:00Z"},
        {"completed_at": "0001-01-01T00:00:00+23:59"},
        {"completed_at": "1969-12-31T22:00:00Z"},
        {"input": nested(100)},
        {"input": nested(1000)},
        {"logs": nested(20_000, '"]"')},
        {"error": Token('{"a":' * 5000 + "1" + "}" * 5000)},
    ],
    ids=lambda each: "-".join(f"{name}-{str(value)[:25]!a}" for name, value in each.items()),
)
def test_garbage_in_another_field_costs_no_output(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator, extra: dict[str, Any]
) -> None:
    (answer,) = deliver(replicas[0], generator, generator.body("p1", media(1, 0), extra))
    assert (answer.status_code, imported(replicas[0], "p1")) == (200, [media(1, 0)])


@each_generator
@pytest.mark.parametrize("keys", [(HALF, f"{HALF}{HALF}"), ("k" * 300, "k" * 299 + "x"), ("\0", ""), ("~1", "/")])
def test_outputs_under_keys_that_no_pointer_can_hold_are_imported_each(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator, keys: tuple[str, str]
) -> None:
    output = {key: media(1, place) for place, key in enumerate(keys)}
    body = generator.body("p1", output, {})
    answers = [answer for _ in range(2) for answer in deliver(replicas[0], generator, body)]
    assert imported(replicas[0], "p1") == [media(1, 0), media(1, 1)]
    outcomes = [[each["outcome"] for each in answer.json()["assets"]] for answer in answers]
    assert outcomes == [["created"] * 2, ["duplicate"] * 2]


@each_generator
@fuzzed(100)
@given(data=st.data())
def test_fields_of_any_shape_are_no_internal_error(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator, data: DataObject
) -> None:
    fields = [generator.id_field, "status", generator.output_field, *generator.other_fields]
    usual: dict[str, Any] = {generator.id_field: f"p{next(_numbers)}", "status": generator.status}
    given_fields = data.draw(st.dictionaries(st.sampled_from(fields), field_values, max_size=6))
    states = st.sampled_from([generator.status, "ERROR", "failed", "starting", HALF, "x" * 70_000])
    states_or_any = st.one_of(states, values)
    body = text_of(usual | {"status": data.draw(states_or_any)} | given_fields).encode()
    (answer,) = deliver(replicas[0], generator, body)
    assert answer.status_code in {200, 400, 403, 413, 503}, body
    if answer.status_code == 503:
        assert answer.json()["type"].endswith("/result-missing"), answer.text


@each_generator
@fuzzed(100)
@given(body=st.one_of(st.binary(max_size=60), values.map(lambda each: text_of(each).encode()), st.just(b"[" * 100_000)))
@example(body=b"\xff\xfe{}")
@example(body=b'\xef\xbb\xbf{"id": "p", "status": "succeeded"}')
@example(body=b'{"id": "p", "status": "succeeded", "output": "' + b"\xed\xa0\x80" + b'"}')
@example(body=b'{"id": "p", "status": "succeeded", "output": "' + b"a" * 2_000_000 + b'"}')
def test_body_of_any_bytes_is_no_internal_error_and_imports_nothing(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator, body: bytes
) -> None:
    before = len(replicas[0].cluster.imports)
    (answer,) = deliver(replicas[0], generator, body)
    assert answer.status_code in {200, 400, 401}, body
    assert len(replicas[0].cluster.imports) == before


@each_generator
@fuzzed(20)
@given(deliveries=st.lists(st.integers(0, 1), min_size=2, max_size=6), left=st.integers(-1, 3))
def test_deliveries_at_once_to_two_replicas_import_each_output_once(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator, deliveries: list[int], left: int
) -> None:
    number = next(_numbers)
    urls = [media(number, place) for place in range(4)]
    body = generator.body(f"p{number}", urls, {})
    replicas[0].cluster.creations_left = left
    answers = deliver_to([replicas[each] for each in deliveries], generator, (body,) * len(deliveries))
    # An answer 200 ends the generator's retries: all must be persisted by then.
    expected = 200 if imported(replicas[0], f"p{number}") == urls else 503
    assert {each.status_code for each in answers} == {expected}
    replicas[0].cluster.creations_left = -1
    assert [each.status_code for each in deliver(replicas[1], generator, body)] == [200]
    assert imported(replicas[0], f"p{number}") == urls


@each_generator
def test_output_next_to_what_is_nested_too_deep_is_imported(
    replicas: tuple[RunningWebhook, RunningWebhook], generator: Generator
) -> None:
    body = generator.body("p1", [media(1, 0), nested(5000), {"b": media(1, 1)}], {})
    (answer,) = deliver(replicas[0], generator, body)
    assert (answer.status_code, imported(replicas[0], "p1")) == (200, [media(1, 0), media(1, 1)])


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"id": "p1", "input": ' + b"[" * 2000 + b"}"])
def test_answer_of_the_generator_that_nobody_can_read_is_502(
    replicas: tuple[RunningWebhook, RunningWebhook], content: bytes
) -> None:
    replicas[0].replicate.answers["/v1/predictions/p1"] = httpx.Response(200, content=content)
    assert replicas[0].call("GET", "/api/v1/replicate/predictions/p1").status_code == 502


@pytest.mark.parametrize(
    "field",
    [{"status": HALF}, {"error": HALF}, {"metrics": Token("9" * MAX_DIGITS)}, {"input": nested(2000)}],
    ids=ascii,
)
def test_garbage_in_a_prediction_of_the_generator_is_shown_without_it(
    replicas: tuple[RunningWebhook, RunningWebhook], field: dict[str, Any]
) -> None:
    webhook = replicas[0]
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    shown = text_of(webhook.replicate.predictions["pred1"] | field)
    webhook.replicate.answers["/v1/predictions/pred1"] = httpx.Response(200, content=shown)
    answer = webhook.call("GET", "/api/v1/replicate/predictions/pred1")
    assert (answer.status_code, answer.json()["status"]) == (200, "generating")


@pytest.mark.parametrize("field", [{"error": HALF}, {"logs": Token("9" * MAX_DIGITS)}], ids=ascii)
def test_failure_with_garbage_is_recorded_and_shown(
    replicas: tuple[RunningWebhook, RunningWebhook], field: dict[str, Any]
) -> None:
    webhook = replicas[0]
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "a rabbit"})
    body = text_of({"id": "pred1", "status": "failed", **field}).encode()
    assert webhook.callback(body, path=webhook.replicate.callback_path()).status_code == 200
    webhook.replicate.predictions.clear()
    answer = webhook.call("GET", "/api/v1/replicate/predictions/pred1")
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
