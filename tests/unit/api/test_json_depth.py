from __future__ import annotations

from typing import Any

import pytest
from mediaimport_api.json_depth import depth


@pytest.mark.parametrize(
    ("value", "levels"),
    [(1, 0), ("[[", 0), ({}, 1), ([], 1), ({"a": 1}, 1), ({"a": []}, 2), ([1, [2, [3]], {"a": 4}], 3)],
)
def test_depth_counts_objects_and_arrays(value: Any, levels: int) -> None:  # noqa: ANN401  JSON
    assert depth(value) == levels
