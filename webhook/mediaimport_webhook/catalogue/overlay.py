"""Overlay of an entry: name, tags and metadata as their owner has edited them. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import orjson
from mediaimport_api.names import ANNOTATION_OVERLAY
from mediaimport_api.overlay import Overlay, read_overlay
from pydantic import ValidationError

from mediaimport_webhook.http import schemas

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.cluster import Resource

_MEASURED = frozenset(schemas.Metadata.__annotations__)
"""Fields of the metadata that are not the owner's to set."""


def annotated_entry(entry: Entry, about: Resource) -> Entry:
    """Return the entry with the overlay of its resource's annotation; `broken` tells of one that is none."""
    text = about.get("annotations", {}).get(ANNOTATION_OVERLAY)
    if text is None:
        return entry
    overlay = annotated_overlay(about)
    if overlay is None:
        broken = f"the annotation {ANNOTATION_OVERLAY} is no overlay: it is left out"
        return replace(entry, json={**entry.json, "broken": entry.json["broken"] or broken})
    return overlaid(entry, overlay)


def annotated_overlay(about: Resource) -> Overlay | None:
    """Return the overlay in the annotation of a resource's metadata; None if there is none, or none that is right."""
    try:
        return read_overlay(about.get("annotations", {}).get(ANNOTATION_OVERLAY, ""))
    except ValidationError:
        return None


def annotation_of(overlay: Overlay) -> str:
    """Return the annotation's text."""
    return json.dumps(overlay.to_wire(), separators=(",", ":"))


def overlaid(entry: Entry, overlay: Overlay | None) -> Entry:
    """Return the entry as edited. Measured values stay."""
    if overlay is None:
        return entry
    measured = {name: each for name, each in entry.json["metadata"].items() if name in _MEASURED}
    metadata = cast("schemas.Metadata", overlay.metadata | measured)
    json: schemas.Asset = {**entry.json, "name": overlay.name, "tags": list(overlay.tags), "metadata": metadata}
    return replace(entry, tags=tuple(overlay.tags), overlay_revision=overlay.revision, json=json)


def edited_like(entry: Entry, other: Entry) -> Entry:
    """Return the entry with name, tags and metadata of another version of it."""
    edits = {name: other.json[name] for name in ("name", "tags", "metadata")}
    json = cast("schemas.Asset", entry.json | edits)
    return replace(entry, tags=other.tags, overlay_revision=other.overlay_revision, json=json)


def edited(entry: Entry, changes: Mapping[str, Any], *, revision: int, now: datetime) -> Overlay:
    """Return the overlay of an entry after changes; ValidationError if it is larger than one may be.

    `changes` has `name`, `tags` or `metadata`, which is merged: null removes a field (RFC 7396). Fields that are
    measured are left out.
    """
    own = _own(entry.json["metadata"])
    metadata = own if "metadata" not in changes else _own(_merged(own, changes["metadata"]))
    return Overlay(
        revision=revision,
        updated_at=now,
        name=changes.get("name", entry.json["name"]),
        tags=list(changes.get("tags", entry.tags) or ()),
        metadata=metadata,
    )


def is_unchanged(entry: Entry, overlay: Overlay) -> bool:
    """Tell whether an overlay leaves an entry as it is."""
    return editable(entry) == editable(overlaid(entry, overlay))


def editable(entry: Entry) -> bytes:
    """Return name, tags and metadata as one text, whoever tells them and in whatever order."""
    asset = entry.json
    parts = [asset["name"], asset["tags"], asset["metadata"]]
    try:
        return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers of more than 64 bits
        return json.dumps(parts, sort_keys=True).encode()


def _own(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in metadata.items() if name not in _MEASURED}


def _merged(value: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the value after a merge patch."""
    if not isinstance(patch, dict):
        return {} if patch is None else patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, each in patch.items():
        if each is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), each) if isinstance(each, dict) else each
    return merged
