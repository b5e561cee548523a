from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_webhook.generation.providers import deep_json
from mediaimport_webhook.http.problems import Problem

from tests.support.hostile_json import fuzzed

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

KEPT = 64
DEEP = "[" * 20_000 + "]" * 20_000
plain: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(st.sampled_from('[]{}"\\a,:'), max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text('[{"\\', max_size=3), inner)),
    max_leaves=20,
)


@fuzzed(200)
@given(value=plain)
def test_what_stands_next_to_deep_nesting_is_kept(value: Any) -> None:  # noqa: ANN401 - JSON
    text = f'{{"deep": {DEEP}, "value": {json.dumps(value)}, "again": {DEEP}}}'
    found = deep_json.parse(text.encode())
    assert found["value"] == value
    for each in (found["deep"], found["again"]):
        levels = 0
        inner = each
        while inner:
            (inner,), levels = inner, levels + 1
        assert (inner, levels) == (None, KEPT - 1)


@pytest.mark.parametrize("separator", ["", " ", "\n"])
def test_brackets_apart_count_as_those_in_a_run(separator: str) -> None:
    deep = separator.join("[" * 20_000 + "]" * 20_000)
    assert deep_json.parse(f"[{deep}, 5]".encode())[1] == 5


@pytest.mark.parametrize("text", ["[" * 20_000, DEEP + "]", "[" + DEEP, f'{{"a": {DEEP}', f'{DEEP}, "', f'["{DEEP}'])
def test_deep_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        deep_json.parse_object(text.encode())


def test_value_that_is_no_object_is_refused() -> None:
    with pytest.raises(Problem):
        deep_json.parse_object(DEEP.encode())
