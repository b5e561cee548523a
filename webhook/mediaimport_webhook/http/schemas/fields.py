"""Types of single fields, and what all bodies have in common."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from mediaimport_api.model import MAX_COUNT, SHA256_PATTERN
from mediaimport_api.spec import OBJECT_NAME_PATTERN, SecretRef
from pydantic import AfterValidator, ConfigDict, Field, ValidationError

AssetStatus = Literal["uploading", "ready", "failed"]
AssetKind = Literal["video", "image", "audio", "model3d", "document", "archive", "file"]
JobStatus = Literal["generating", "uploading", "ready", "failed"]

CLOSED = ConfigDict(extra="forbid", use_enum_values=True)
OPEN = ConfigDict(extra="allow")

AssetId = Annotated[str, Field(json_schema_extra={"format": "uuid"}, examples=["0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01"])]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-01T12:00:00Z"])]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]


MAX_TAGS = 32
MAX_NAME_CHARACTERS = 255
_SHA256 = re.compile(SHA256_PATTERN[1:-1])


def _distinct(tags: list[str]) -> list[str]:
    if len(set(tags)) != len(tags):
        raise ValueError("has a tag twice")
    return tags


Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=63)]], Field(max_length=MAX_TAGS), AfterValidator(_distinct)
]


def _hex_digest(text: str) -> str:
    if _SHA256.fullmatch(text) is None:
        raise ValueError("is no SHA-256: send 64 lower-case hex digits, as `sha256sum` prints them")
    return text


def _secret_name(name: str) -> str:
    try:
        SecretRef(name=name)
    except ValidationError:
        raise ValueError("is no name of a Secret: send the one that `kubectl get secrets` shows") from None
    return name


Digest = Annotated[str, AfterValidator(_hex_digest), Field(json_schema_extra={"pattern": SHA256_PATTERN})]
Size = Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT)]
SecretName = Annotated[
    str,
    AfterValidator(_secret_name),
    Field(
        description="a Secret with request headers for the URL's host, by name; for admins",
        json_schema_extra={"pattern": OBJECT_NAME_PATTERN, "maxLength": 253},
    ),
]
