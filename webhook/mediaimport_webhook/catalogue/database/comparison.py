"""Comparison of a row with the record in the store. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaimport_webhook.catalogue.database.rows import DELETED
from mediaimport_webhook.catalogue.database.schema import MEDIA_ASSETS

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_RESOURCE = frozenset({"resource_version", "resource_gone", "completed_at", "outputs_expected", "provider_status"})
"""Columns that only a resource has: its version, its own end, when the operator noted the import's end, and what the
webhook noted of its prediction."""
_OF_OBJECTS = frozenset({"status", "file_type", "size_bytes", "sha256", "s3_key", "thumbnail_s3_key"})
_OF_RECORD = frozenset(each.name for each in MEDIA_ASSETS.columns) - OF_RESOURCE


def differing(row: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """Return the names of columns in which a row is not what its record says.

    An import that runs again may have any. A row of another resource of that name, which found the asset stored, has
    that one's name, tags and metadata.
    """
    if row["status"] == "uploading":
        return []
    if recorded["status"] == DELETED:
        return [] if row["status"] == DELETED else ["status"]
    columns = _OF_RECORD if row["resource_uid"] == recorded["resource_uid"] else _OF_OBJECTS
    return sorted(each for each in columns if row[each] != recorded[each])
