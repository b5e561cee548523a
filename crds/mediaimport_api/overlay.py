"""The overlay, `overlay.json`: name, tags and metadata of a stored asset after its owner has edited them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from mediaimport_api.json_depth import storable
from mediaimport_api.model import MAX_COUNT, Lenient, Timestamp


class Overlay(Lenient):
    """Values that replace those of the sidecar's provenance, and of the resource's spec. All of them are given."""

    version: Literal[1] = 1
    revision: Annotated[int, Field(ge=1, le=MAX_COUNT, description="number of the edit; the greatest is the newest")]
    updated_at: Timestamp
    name: Annotated[str, Field(min_length=1, max_length=255)]
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=63)]], Field(max_length=32)]
    metadata: Annotated[
        dict[str, Any],
        Field(max_length=256, description="the owner's own, without measured values"),
        AfterValidator(storable),
    ]


def read_overlay(body: bytes | str) -> Overlay:
    """Return the overlay in `overlay.json`, or in a resource's annotation; pydantic.ValidationError if it is none."""
    return Overlay.model_validate_json(body)
