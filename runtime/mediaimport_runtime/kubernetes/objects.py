"""Kubernetes' own forms in raw objects."""

from __future__ import annotations

import json
import zlib
from datetime import datetime
from typing import Any

import orjson
from mediaimport_api.model import MAX_YEAR, MIN_YEAR

Object = dict[str, Any]
"""An object of the API as the JSON that it is."""


def moment(text: object) -> datetime | None:
    """Return an RFC 3339 time as an aware datetime; None for anything else, and outside MIN_YEAR to MAX_YEAR."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo and MIN_YEAR <= parsed.year <= MAX_YEAR else None


def label(item: Object, name: str) -> str | None:
    """Return the value of a label."""
    value = (item["metadata"].get("labels") or {}).get(name)
    return value if isinstance(value, str) else None


def number_label(item: Object, name: str) -> int:
    """Return a label's whole number, 0 if it is none."""
    value = label(item, name) or ""
    return int(value) if value.isascii() and value.isdigit() else 0


def true_condition(item: Object, kind: str) -> Object | None:
    """Return the condition of that type if its status is True."""
    return condition(item, kind, status="True")


def condition(item: Object, kind: str, *, status: str) -> Object | None:
    """Return the condition of that type if it has that status (True, False, Unknown)."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind and each.get("status") == status), None)


def strip_managed_fields(item: Object) -> Object:
    """Return the object without what no pass asks for: half of its bytes."""
    item.get("metadata", {}).pop("managedFields", None)
    return item


def pack(item: Object) -> bytes:
    """Return the object in a tenth of its memory."""
    return zlib.compress(json_bytes(item), level=1)


def unpack(packed: bytes) -> Object:
    """Return the object again."""
    item: Object = parsed(zlib.decompress(packed))
    return item


def parsed(text: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value; ValueError or RecursionError if there is none."""
    try:
        return orjson.loads(text)
    except ValueError:
        # The slow parser takes what the fast one refuses: 1,024 levels and more, for example.
        return json.loads(text)


def json_bytes(data: object) -> bytes:
    """Return the data as the API stores it: JSON without spaces."""
    try:
        return orjson.dumps(data)
    except TypeError:
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
