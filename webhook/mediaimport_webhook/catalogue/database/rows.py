"""Rows of the catalogue's database: an entry as a row, and back. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson
from mediaimport_api.names import AssetKeys
from mediaimport_api.status import Phase

from mediaimport_webhook.catalogue.entry import Entry
from mediaimport_webhook.catalogue.recipe import unpacked_recipe
from mediaimport_webhook.catalogue.words import searchable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mediaimport_webhook.http import schemas

DELETED = "deleted"
"""The status of a row whose stored objects were deleted: its asset answers 410."""
EDITABLE = ("name", "tags", "file_metadata", "search_words", "overlay_revision")
"""Columns that an edit changes."""
_ESCAPED_NUL = b"\\u0000"
_PHASES = {"ready": Phase.READY, "failed": Phase.FAILED}


def row_of(entry: Entry) -> dict[str, Any]:
    """Return the values of all columns."""
    asset, recipe = entry.json, unpacked_recipe(entry.packed_recipe)
    prompt = None if recipe is None else (recipe["input"] or {}).get("prompt")
    values = {
        "id": entry.asset_id,
        "user_id": entry.user_id,
        "name": asset["name"],
        "status": entry.status,
        "reason": asset["reason"],
        "file_type": entry.type,
        "tags": list(entry.tags),
        "job_id": entry.job_id,
        "provider": entry.provider,
        "model": entry.model,
        "outputs_expected": entry.outputs_expected,
        "provider_status": entry.provider_status,
        "size_bytes": entry.size_bytes,
        "sha256": asset["metadata"]["sha256"],
        "created_at": datetime.fromisoformat(entry.created_at),
        "completed_at": None if entry.completed_at is None else datetime.fromisoformat(entry.completed_at),
        "file_metadata": asset["metadata"],
        "generation": recipe,
        "thumbnail_s3_key": entry.thumbnail_key,
        "s3_key": entry.original_key,
        "broken": asset["broken"],
        "search_words": searchable(asset["name"], asset["tags"], asset["metadata"], prompt),
        "overlay_revision": entry.overlay_revision,
        "resource_name": entry.resource_name,
        "resource_uid": entry.resource_uid,
        "resource_version": entry.version,
    }
    if entry.deleted:
        values |= DELETED_VALUES
    return values if _is_storable_whole(values) else cast("dict[str, Any]", _storable(values))


DELETED_VALUES: dict[str, Any] = {
    "name": "",
    "status": DELETED,
    "reason": None,
    "file_type": None,
    "tags": [],
    "job_id": None,
    "provider": None,
    "model": None,
    "outputs_expected": 0,
    "provider_status": None,
    "size_bytes": 0,
    "sha256": None,
    "completed_at": None,
    "file_metadata": {},
    "generation": None,
    "thumbnail_s3_key": None,
    "s3_key": None,
    "broken": None,
    "search_words": "",
    "overlay_revision": 0,
}
"""A deleted asset leaves its ids, and nothing that its owner wrote: its tombstone has no more."""


def entry_of_row(row: Mapping[str, Any]) -> Entry:
    """Return the entry. A key that is not one of the asset's own is left out: it is never signed."""
    keys = AssetKeys(row["user_id"], row["id"])
    status = cast("schemas.AssetStatus", "ready" if row["status"] == DELETED else row["status"])
    created_at = row["created_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
    original, thumbnail, completed_at = row["s3_key"], row["thumbnail_s3_key"], row["completed_at"]
    asset: schemas.Asset = {
        "id": keys.asset_id,
        "name": row["name"],
        "status": status,
        "url": None,
        "thumbnail_url": None,
        "type": row["file_type"],
        "metadata": row["file_metadata"],
        "progress": None,
        "phase": _PHASES.get(status, Phase.PENDING),
        "reason": row["reason"],
        "tags": row["tags"],
        "job_id": row["job_id"],
        "import_job_id": row["resource_name"],
        "created_at": created_at,
        "expires_at": None,
        "broken": row["broken"],
    }
    return Entry(
        resource_name=row["resource_name"],
        resource_uid=row["resource_uid"],
        version=row["resource_version"],
        asset_id=keys.asset_id,
        user_id=keys.user_id,
        created_at=created_at,
        completed_at=None if completed_at is None else completed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        status=status,
        type=row["file_type"],
        tags=tuple(row["tags"]),
        job_id=row["job_id"],
        outputs_expected=row["outputs_expected"],
        provider=row["provider"],
        model=row["model"],
        provider_status=row["provider_status"],
        original_key=original if original is not None and keys.is_original(original) else None,
        thumbnail_key=thumbnail if thumbnail == keys.thumbnail else None,
        size_bytes=row["size_bytes"],
        recovered=False,
        deleted=row["status"] == DELETED,
        json=asset,
        packed_recipe=_packed(row["generation"]),
        overlay_revision=row["overlay_revision"],
    )


def _packed(recipe: Any) -> bytes | None:  # noqa: ANN401 - JSON
    return None if recipe is None else json.dumps(recipe, ensure_ascii=False, separators=(",", ":")).encode()


def _is_storable_whole(values: dict[str, Any]) -> bool:
    """Return whether all texts can stay, as nearly always: a look at each takes five times as long."""
    try:
        return _ESCAPED_NUL not in orjson.dumps(values)
    except TypeError:  # half of a surrogate pair, or a large number
        return False


def _storable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the value as PostgreSQL can keep it: U+FFFD replaces U+0000 and halves of surrogate pairs."""
    match value:
        case str():
            return value if _is_storable(value) else _replaced(value)
        case dict():
            return {_storable(name): _storable(each) for name, each in value.items()}
        case list():
            return [_storable(each) for each in value]
        case _:
            return value


def _is_storable(text: str) -> bool:
    """Return whether it can stay: a quick look, since nearly all texts can."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _replaced(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
