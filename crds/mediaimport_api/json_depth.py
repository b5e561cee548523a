"""Depth of free-form JSON: parsers and serializers end in an error at a few hundred levels, each at another."""

from __future__ import annotations

import json
from typing import Any

MAX_METADATA_DEPTH = 32
"""Levels of objects and arrays in `spec.metadata`, itself included. CEL cannot count them."""


def depth(value: object) -> int:
    """Return the number of levels of objects and arrays: 0 for a scalar, 1 for `{"a": 1}`. It never recurses."""
    levels, level = 0, _containers([value])
    while level:
        levels += 1
        level = _containers([child for each in level for child in _children(each)])
    return levels


def _containers(values: list[object]) -> list[dict[str, Any] | list[Any]]:
    return [each for each in values if isinstance(each, dict | list)]


def _children(container: dict[str, Any] | list[Any]) -> list[Any]:
    return list(container.values()) if isinstance(container, dict) else container


def storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata; ValueError if they are nested too deep, or no JSON in UTF-8."""
    levels = depth(metadata)
    if levels > MAX_METADATA_DEPTH:
        raise ValueError(f"is nested {levels} levels deep; at most {MAX_METADATA_DEPTH} are kept")
    try:
        json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair, which is no character") from None
    return metadata
