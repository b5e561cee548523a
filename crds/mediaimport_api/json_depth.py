"""Bounds of free-form JSON, `spec.metadata` and `spec.source.provider`: depth and length. CEL can count neither.

Parsers and serializers end in an error at a few hundred levels, each at another. In memory, JSON of short values takes
up to thirty times its length.
"""

from __future__ import annotations

import json
from typing import Any

MAX_METADATA_DEPTH = 32
"""Levels of objects and arrays in `spec.metadata`, itself included."""
MAX_METADATA_BYTES = 8 * 1024
"""The length of `spec.metadata` as JSON without spaces, in UTF-8."""
MAX_PROVIDER_BYTES = 8 * 1024
"""The length of `spec.source.provider` as JSON without spaces, in UTF-8."""
_CUT = "metadataBytes"
"""A field of an object in memory, next to `spec`: the length of the metadata that were cut. The API has none such."""
_CUT_PROVIDER = "providerBytes"
"""The same for `spec.source.provider`, of which `input` and `metrics` are cut."""
_FREE_FORM = frozenset({"input", "metrics"})


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
    """Return the metadata; ValueError if they are nested too deep, too long, or no JSON in UTF-8."""
    levels = depth(metadata)
    if levels > MAX_METADATA_DEPTH:
        raise ValueError(f"is nested {levels} levels deep; at most {MAX_METADATA_DEPTH} are kept")
    try:
        size_bytes = _size_bytes(metadata)
    except UnicodeEncodeError:
        raise ValueError("has half a surrogate pair, which is no character") from None
    if size_bytes > MAX_METADATA_BYTES:
        raise ValueError(_too_long(size_bytes))
    return metadata


def provider_refusal(provider: dict[str, Any]) -> str | None:
    """Return why a provider, with input and metrics that are `storable`, cannot be kept; None if it can."""
    size_bytes = json_bytes(provider)
    return _too_long(size_bytes, MAX_PROVIDER_BYTES) if size_bytes > MAX_PROVIDER_BYTES else None


def cut(item: dict[str, Any]) -> dict[str, Any]:
    """Return a MediaImport without free-form JSON that is too long: the API server accepts more than a megabyte."""
    return _cut_provider(_cut_metadata(item))


def _cut_metadata(item: dict[str, Any]) -> dict[str, Any]:
    spec = item.get("spec")
    metadata = spec.get("metadata") if isinstance(spec, dict) else None
    if not metadata or (size_bytes := json_bytes(metadata)) <= MAX_METADATA_BYTES:
        return item
    return item | {"spec": {**item["spec"], "metadata": {}}, _CUT: size_bytes}


def _cut_provider(item: dict[str, Any]) -> dict[str, Any]:
    spec = item.get("spec")
    source = spec.get("source") if isinstance(spec, dict) else None
    provider = source.get("provider") if isinstance(source, dict) else None
    if not isinstance(provider, dict) or not _FREE_FORM & provider.keys():
        return item
    if (size_bytes := json_bytes(provider)) <= MAX_PROVIDER_BYTES:
        return item
    kept = {name: value for name, value in provider.items() if name not in _FREE_FORM}
    return item | {
        "spec": {**item["spec"], "source": {**item["spec"]["source"], "provider": kept}},
        _CUT_PROVIDER: size_bytes,
    }


def cut_error(item: dict[str, Any]) -> str | None:
    """Return why the metadata of a MediaImport were cut; None if they were not."""
    size_bytes = item.get(_CUT)
    return None if size_bytes is None else _too_long(int(size_bytes))


def cut_field_error(item: dict[str, Any]) -> str | None:
    """Return which field of a MediaImport was cut, and why; None if none was."""
    if (error := cut_error(item)) is not None:
        return f"spec.metadata: {error}"
    size_bytes = item.get(_CUT_PROVIDER)
    return None if size_bytes is None else f"spec.source.provider: {_too_long(int(size_bytes), MAX_PROVIDER_BYTES)}"


def _size_bytes(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())


def json_bytes(value: object) -> int:
    """Return the length of any JSON that a parser has read, 0 if it is nested too deep to be written."""
    try:
        return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        return 0


def _too_long(size_bytes: int, most: int = MAX_METADATA_BYTES) -> str:
    return f"has {size_bytes} bytes of JSON; at most {most} are kept"
