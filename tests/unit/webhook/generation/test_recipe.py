from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mediaimport_api.json_depth import MAX_METADATA_DEPTH, MAX_PROVIDER_BYTES, depth
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome, deep_json
from mediaimport_webhook.generation.recipe import MAX_TEXT_BYTES, Recipe, logged_seed, recorded, seed_of
from mediaimport_webhook.generation.redaction import REDACTED

from tests.support.hostile_json import HALF, MAX_DIGITS, Token, fuzzed, text_of, values

if TYPE_CHECKING:
    from mediaimport_webhook.settings import InputProvenance

DATA = "data:image/png;base64,AAAA"
UNICODE = "\0\x1f\x7f\u200e\u2028\ufeff\ufffe\U000e0041\U0010ffff"
ODD_KEYS = {"__proto__": {"a": 1}, "": 2, "constructor": 3, ".": 4, "f:x": 5, UNICODE: 6}
PRESIGNED = "https://user.test/in.png?X-Amz-Signature=0f"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def provider_of(
    model_input: Any = None,  # noqa: ANN401 - JSON
    *,
    metrics: Any = None,  # noqa: ANN401 - JSON
    provenance: InputProvenance = "full",
    pointer: str = "/0",
) -> dict[str, Any]:
    """Return the provider in a spec as the API server gets it."""
    recipe = Recipe(input=model_input, metrics=metrics)
    prediction = Prediction("replicate", "p1", "succeeded", PredictionOutcome.SUCCEEDED, model="a/b", recipe=recipe)
    return recorded(prediction, provenance).provider(pointer).to_wire()


def nest(levels: int) -> Any:  # noqa: ANN401 - JSON
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def digest(text: str) -> dict[str, Any]:
    raw = text.encode()
    return {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}


def size_bytes(value: object) -> int:
    """Return the length of JSON; ValueError for what only Python takes for JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())


def test_recipe_is_recorded_as_the_generator_tells_it() -> None:
    recipe = Recipe({"prompt": "a rabbit", "size": 2}, {"predict_time": 4.25}, seed="42", started_at=MOMENT)
    prediction = Prediction(
        "replicate", "p1", "succeeded", PredictionOutcome.SUCCEEDED,
        model="a/b", version="v", created_at=MOMENT, completed_at=MOMENT, recipe=recipe,
    )  # fmt: skip
    assert recorded(prediction, "full").provider("/0").to_wire() == {
        "name": "replicate",
        "id": "p1",
        "pointer": "/0",
        "model": "a/b",
        "version": "v",
        "input": {"prompt": "a rabbit", "size": 2},
        "metrics": {"predict_time": 4.25},
        "seed": "42",
        "createdAt": "2026-01-01T00:00:00Z",
        "startedAt": "2026-01-01T00:00:00Z",
        "completedAt": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("nothing", [None, {}, [], "a text", 5, True, [["a"]]])
def test_recipe_without_fields_is_none(nothing: object) -> None:
    assert provider_of(nothing, metrics=nothing) == {"name": "replicate", "id": "p1", "pointer": "/0", "model": "a/b"}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(DATA, digest(DATA), id="a data: URI"),
        pytest.param(f" \n{DATA.replace('data', 'DATA')}", digest(f" \n{DATA.replace('data', 'DATA')}"), id="blanks"),
        pytest.param("é" * (MAX_TEXT_BYTES // 2), "é" * (MAX_TEXT_BYTES // 2), id="the longest text"),
        pytest.param("é" * 2049, digest("é" * 2049), id="a longer text"),
        pytest.param(["a", [DATA], {"b": DATA}], ["a", [digest(DATA)], {"b": digest(DATA)}], id="in containers"),
        pytest.param([None, True, 0, -1.5, "", [], {}], [None, True, 0, -1.5, "", [], {}], id="plain values"),
        pytest.param(2**53 - 1, 2**53 - 1, id="the largest exact number"),
        pytest.param(-(2**53), "-9007199254740992", id="a larger number"),
        pytest.param(10**30, "1" + "0" * 30, id="a huge number"),
        pytest.param([float("nan"), float("inf"), -float("inf")], ["NaN", "Infinity", "-Infinity"], id="no numbers"),
        pytest.param(f"a{HALF}b", "a?b", id="half a surrogate pair"),
        pytest.param(UNICODE, UNICODE, id="controls, marks, noncharacters"),
        pytest.param(ODD_KEYS, ODD_KEYS, id="odd keys"),
        pytest.param({f"k{HALF}": 1}, {"k?": 1}, id="a key with half a surrogate pair"),
        pytest.param(PRESIGNED, "https://user.test/in.png", id="a presigned URL"),
        pytest.param(
            {"hf_token": "x", "headers": {"X-Own": ["y", 5]}},
            {"hf_token": REDACTED, "headers": {"X-Own": [REDACTED] * 2}},
            id="secrets by name",
        ),
        pytest.param("use r8_0123456789abcdef01234567", f"use {REDACTED}", id="a token"),
    ],
)  # fmt: skip
def test_value_is_recorded_as_the_api_server_keeps_it(value: object, kept: object) -> None:
    provider = provider_of({"x": value})
    assert provider["input"] == {"x": kept}
    assert "truncated" not in provider


def test_secret_by_the_name_of_its_field_is_redacted() -> None:
    assert provider_of({"api_key": "x", "max_tokens": 5})["input"] == {"api_key": REDACTED, "max_tokens": 5}


def test_nesting_is_bounded_by_a_hash_of_what_is_deeper() -> None:
    (kept,) = provider_of({"x": nest(60)})["input"].values()
    assert depth(kept) == 16
    assert "sha256" in json.dumps(kept)


def test_nesting_beyond_any_serializer_is_left_out() -> None:
    provider = provider_of({"x": nest(100_000), "prompt": "a"})
    assert (provider["input"], provider["truncated"]) == ({"prompt": "a"}, True)


def test_largest_field_is_left_out_first() -> None:
    texts = {"small": "s" * 2000, "large": "l" * 4000, "middle": "m" * 3000}
    provider = provider_of(texts)
    assert (list(provider["input"]), provider["truncated"]) == (["small", "middle"], True)


@pytest.mark.parametrize(
    "model_input",
    [
        {f"k{index}": index for index in range(300)},
        {f"k{index}" * 30: "x" * 200 for index in range(256)},
        {"x" * 257: 1, "prompt": "a"},
        {"x": {"y" * 257: 1}},
        {"x": [0] * 100_000},
        {"x": "\0" * 4000},
        {f"{index}": "é\0" * 40 for index in range(90)},
    ],
)
def test_too_much_is_cut_and_never_refused(model_input: dict[str, Any]) -> None:
    provider = provider_of(model_input, metrics={f"m{index}": index for index in range(100)})
    assert provider["truncated"] is True
    assert size_bytes(provider) <= MAX_PROVIDER_BYTES


@pytest.mark.parametrize("size", range(3990, 4012))
def test_provider_uses_all_of_its_room(size: int) -> None:
    provider = provider_of({"a": "x" * 4000, "b": "x" * size, "c": 1})
    length = size_bytes(provider_of({"a": "x" * 4000, "b": "x" * 3900, "c": 1})) + size - 3900
    assert ("truncated" in provider) == (length + len(',"truncated":true') + len(',"metrics":{}') > MAX_PROVIDER_BYTES)
    assert size_bytes(provider) <= MAX_PROVIDER_BYTES


def test_long_pointers_take_room_from_the_recipe() -> None:
    texts = {"a": "x" * 4000, "b": "x" * 3900}
    assert "truncated" not in provider_of(texts)
    provider = provider_of(texts, pointer="/" + "\0" * 255)
    assert (provider["truncated"], len(provider["input"])) == (True, 1)
    assert size_bytes(provider) <= MAX_PROVIDER_BYTES


def test_hashed_input_keeps_the_keys_alone() -> None:
    model_input = {"prompt": "a rabbit", "size": 2, "more": {"b": 1, "a": [None]}, "hf_token": "x"}
    assert provider_of(model_input, provenance="hashed")["input"] == {
        "prompt": digest("a rabbit"),
        "size": digest("2"),
        "more": digest('{"a":[null],"b":1}'),
        "hf_token": digest("x"),
    }


def test_no_input_is_recorded_where_none_is_wanted_but_metrics_are() -> None:
    provider = provider_of({"prompt": "a rabbit"}, metrics={"predict_time": 1}, provenance="none")
    assert ("input" in provider, provider["metrics"]) == (False, {"predict_time": 1})


@pytest.mark.parametrize("provenance", ["full", "hashed", "none"])
@fuzzed(200)
@example(model_input={"a": Token("9" * MAX_DIGITS), "b": Token("-1e999"), "c": Token("NaN"), "d": HALF})
@given(model_input=st.dictionaries(st.text(max_size=9), values, max_size=8))
def test_any_input_is_recorded_within_the_bounds(provenance: InputProvenance, model_input: dict[str, Any]) -> None:
    parsed = deep_json.parse(text_of(model_input).encode())
    provider = provider_of(parsed, metrics=parsed, provenance=provenance)
    assert size_bytes(provider) <= MAX_PROVIDER_BYTES
    assert depth(provider) <= MAX_METADATA_DEPTH


@pytest.mark.parametrize(
    ("candidates", "seed"),
    [
        ((None, 7, 8), "7"),
        ((0,), "0"),
        (("196619188014358660",), "196619188014358660"),
        ((2**64,), "18446744073709551616"),
        ((-1, True, 1.5, "x", "", [1], {}, "٣", "1\n"), None),
        ((10**40,), None),
    ],
)
def test_seed_is_the_first_whole_number(candidates: tuple[object, ...], seed: str | None) -> None:
    assert seed_of(*candidates) == seed


@pytest.mark.parametrize(
    ("logs", "seed"),
    [
        ("Using seed: 1234\n  0%|", "1234"),
        ("loading\r\nseed=42\r\n", "42"),
        ("Random seed set to 7.", "7"),
        ("Seed: 99", "99"),
        ("reseed: 5", None),
        ("the seed: 5 of them", None),
        ("seed: -1", None),
        ("", None),
        (None, None),
        (["seed: 5"], None),
        ("\n\t " * 30_000 + "seed: 5", None),
        ("seed " * 30_000, None),
    ],
)
def test_seed_of_the_logs_is_a_line_of_its_own(logs: object, seed: str | None) -> None:
    assert logged_seed(logs) == seed
