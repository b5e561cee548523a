from __future__ import annotations

from typing import Any

import pytest
from mediaimport_api.json_depth import MAX_METADATA_BYTES, cut, cut_error, cut_field_error, depth, storable


@pytest.mark.parametrize(
    ("value", "levels"),
    [(1, 0), ("[[", 0), ({}, 1), ([], 1), ({"a": 1}, 1), ({"a": []}, 2), ([1, [2, [3]], {"a": 4}], 3)],
)
def test_depth_counts_objects_and_arrays(value: Any, levels: int) -> None:  # noqa: ANN401  JSON
    assert depth(value) == levels


def test_metadata_are_bounded_by_their_length_in_json() -> None:
    longest = {"a": "é" * ((MAX_METADATA_BYTES - 8) // 2)}
    assert storable(longest) == longest
    with pytest.raises(ValueError, match="has 8193 bytes of JSON; at most 8192 are kept"):
        storable({"a": longest["a"] + "x"})


def test_only_metadata_that_are_too_long_are_cut() -> None:
    item = {"metadata": {"name": "a"}, "spec": {"run": "1", "metadata": {"a": "x" * MAX_METADATA_BYTES}}}
    kept = cut(item)
    assert kept["spec"] == {"run": "1", "metadata": {}}
    assert cut_error(kept) == "has 8200 bytes of JSON; at most 8192 are kept"
    assert cut(kept) is kept
    wholes: list[dict[str, Any]] = [{"spec": {"metadata": {"a": 1}}}, {"spec": {}}, {"spec": None}, {}]
    for whole in wholes:
        assert cut(whole) is whole
        assert cut_error(whole) is None


def test_only_a_recipe_that_is_too_long_is_cut_from_its_provider() -> None:
    provider = {"name": "replicate", "id": "p", "input": {"a": "x" * 8192}, "metrics": {"a": 1}}
    kept = cut({"spec": {"source": {"url": "u", "provider": provider}}})
    assert kept["spec"] == {"source": {"url": "u", "provider": {"name": "replicate", "id": "p"}}}
    assert cut_field_error(kept) == "spec.source.provider: has 8256 bytes of JSON; at most 8192 are kept"
    assert cut(kept) is kept
    wholes: list[Any] = [provider | {"input": {"a": 1}}, {"name": "replicate"}, "text", None]
    for each in wholes:
        whole = {"spec": {"source": {"provider": each}}}
        assert cut(whole) is whole
        assert cut_field_error(whole) is None
