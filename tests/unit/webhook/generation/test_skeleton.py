from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_webhook.generation import skeleton as module
from mediaimport_webhook.generation.skeleton import Skeleton

NAMES = ("id", "status", "ünï")
KEYS = st.sampled_from([*NAMES, "output", "a\\b", 'quote"', ""]) | st.text(max_size=3)
TEXTS = st.sampled_from(["id", 'x", "id": "fake', "\\", '\\"', "[{", "}]", "\N{RABBIT}"]) | st.text(max_size=8)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def found(body: bytes, size: int = 1 << 20) -> dict[str, str]:
    skeleton = Skeleton(NAMES)
    for start in range(0, len(body), size):
        skeleton.update(body[start : start + size])
    return skeleton.members


def texts_of(content: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in content.items() if name in NAMES and isinstance(value, str)}


@given(
    content=st.dictionaries(KEYS, VALUES, max_size=6),
    size=st.integers(1, 30),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_members_are_those_of_the_standard_parser_wherever_the_pieces_end(
    content: dict[str, Any], size: int, indent: int | None, *, ascii_only: bool
) -> None:
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    assert found(text.encode(), size) == texts_of(content)


@given(body=st.binary(max_size=60) | st.text('{}[]",:\\ aid', max_size=40).map(str.encode), size=st.integers(1, 9))
def test_no_bytes_are_an_error_and_their_pieces_make_no_difference(body: bytes, size: int) -> None:
    assert found(body, size) == found(body)


@pytest.mark.parametrize("rest", ["5", "null", "[1]", '{"id": "y"}'])
def test_last_member_of_a_name_counts(rest: str) -> None:
    assert found(f'{{"id": "x", "id": {rest}}}'.encode()) == {}
    assert found(f'{{"id": {rest}, "id": "x"}}'.encode()) == {"id": "x"}


def test_what_comes_behind_the_object_is_nothing() -> None:
    assert found(b'{"id": "x"} {"id": "y"}') == {"id": "x"}


@pytest.mark.parametrize("length", [16 * 1024, 16 * 1024 + 1])
def test_text_that_is_longer_than_any_of_interest_is_left_out(length: int) -> None:
    body = json.dumps({"id": "x" * length, "status": "ok"}).encode()
    assert found(body, 1000).keys() == ({"id", "status"} if length <= 16 * 1024 else {"status"})


@pytest.mark.parametrize("part", [b'[[[["a"]]]]', b'{"id":{"id":{"id":{}}}}'])
def test_object_with_very_many_parts_is_given_up_and_says_so(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_STEPS", 1000)
    body = b'{"id": "x", "a": [' + b",".join([part] * 1000) + b'], "status": "late"}'
    skeleton = Skeleton(NAMES)
    skeleton.update(body)
    assert (skeleton.is_exhausted, skeleton.members) == (True, {"id": "x"})


@pytest.mark.parametrize(
    "output",
    [["x" * 100] * 10_000, [[0.25, 0.5]] * 10_000, [{"label": "cat", "score": 0.5}] * 10_000, ["\\" * 100] * 10_000],
)
def test_large_output_is_few_parts(output: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - JSON
    monkeypatch.setattr(module, "_MAX_STEPS", 300)
    body = json.dumps({"output": output, "id": "x"}).encode()
    assert found(body, 64 * 1024) == {"id": "x"}
