"""docs/sidecar.schema.json: what `asset.json` holds, from the types that write and read it."""

from __future__ import annotations

import json
from typing import Any

from mediaimport_api.sidecar import Record
from pydantic import TypeAdapter

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DESCRIPTION = (
    "asset.json next to a stored asset, the permanent record; it is written last: if it exists, the asset is complete. "
    "After a deletion a tombstone replaces it. Other versions may add fields."
)


def page() -> str:
    """Return the JSON Schema."""
    adapter: TypeAdapter[object] = TypeAdapter(Record)
    schema = _untitled(adapter.json_schema(by_alias=True, mode="serialization"))
    head = {"$schema": _DIALECT, "title": "MediaImport sidecar", "description": _DESCRIPTION}
    return json.dumps(head | schema, indent=2) + "\n"


def _untitled(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the schema without the titles that only repeat a field's name."""
    if isinstance(node, list):
        return [_untitled(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _untitled(each) for key, each in node.items() if not (key == "title" and isinstance(each, str))}
