"""Bodies of responses."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from mediaimport_webhook.http.bodies import encoded

TEXTS = some.text(some.characters(exclude_categories=["Cs"]))
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: some.lists(inner) | some.dictionaries(TEXTS, inner),
)


@given(VALUES)
def test_json_value_is_read_as_it_was(value: Any) -> None:  # noqa: ANN401 - JSON
    assert json.loads(encoded(value)) == value


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**400])
def test_integer_of_any_length_is_written_whole(value: int) -> None:
    assert encoded({"scene": value}) == b'{"scene":%d}' % value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_json_does_not_have_is_null(value: float) -> None:
    assert encoded([value]) == b"[null]"
