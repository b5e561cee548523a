"""`spec` of a MediaImport: what its author asks for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from mediaimport_api.model import Model, Sha256, Timestamp

MAX_DATA_URI_BYTES = 64 * 1024
MAX_URL_BYTES = 8 * 1024
MAX_METADATA_BYTES = 8 * 1024
MIN_TTL_SECONDS = 7200

Rule = dict[str, JsonValue]


def _rule(rule: str, message: str, field: str) -> Rule:
    return {"rule": rule, "message": message, "fieldPath": field}


class MediaType(StrEnum):
    """What the author expects the source to be."""

    AUTO = "auto"
    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"


class ThumbnailFrame(StrEnum):
    """Which frame becomes the thumbnail."""

    FIRST = "first"
    SKIP_BLACK = "skipBlack"


class DeletionPolicy(StrEnum):
    """What becomes of the stored objects when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class SecretRef(Model):
    """A Secret in the resource's own namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class Provider(Model):
    """Which generator made the media, and where in its output the URL stood."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    id: Annotated[str, Field(min_length=1, max_length=128, description="the prediction's id")]
    pointer: Annotated[str, Field(max_length=256, description="JSON Pointer into the prediction's output")] = ""
    model: Annotated[str, Field(max_length=256)] | None = None
    version: Annotated[str, Field(max_length=128)] | None = None


class Source(Model):
    """Where the media is fetched from."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _rule(
                    f"self.url.startsWith('data:') || size(self.url) <= {MAX_URL_BYTES}",
                    f"source.url is longer than {MAX_URL_BYTES} characters; only a data: URI may be",
                    ".url",
                ),
            ]
        }
    )

    url: Annotated[
        str,
        Field(
            min_length=6,
            max_length=MAX_DATA_URI_BYTES,
            pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+|data:)\S*$",
            description="http, https, or a data: URI of at most 64 KiB",
        ),
    ]
    expires_at: (
        Annotated[
            Timestamp, Field(description="an estimate of when the URL dies: it orders the queue and ends retries")
        ]
        | None
    ) = None
    headers_secret_ref: (
        Annotated[
            SecretRef, Field(description="request headers; the Secret's key `host` names the only host that gets them")
        ]
        | None
    ) = None
    provider: Provider | None = None


class Expected(Model):
    """What the author knows about the media; a mismatch is a permanent failure."""

    sha256: Sha256 | None = None
    size_bytes: Annotated[int, Field(ge=1)] | None = None


class ThumbnailSpec(Model):
    """How the thumbnail is made."""

    width_pixels: Annotated[int, Field(ge=16, le=1920, description="greatest width; never enlarged")] = 320
    frame: ThumbnailFrame = ThumbnailFrame.FIRST


class Limits(Model):
    """What one import may cost."""

    max_size_bytes: Annotated[int, Field(ge=1, description="default: the operator's setting")] | None = None
    deadline_seconds: (
        Annotated[int, Field(ge=10, le=86400, description="of one attempt; default: the operator's setting")] | None
    ) = None
    attempts: Annotated[int, Field(ge=1, le=10, description="attempts that count, in all")] = 4


class Spec(Model):
    """What to import, for whom, under which limits.

    Immutable except `suspend`, `run`, `deletionPolicy` and `ttlSecondsAfterFinished`.
    """

    source: Source
    asset_id: Annotated[UUID, Field(description="default: the resource's uid")] | None = None
    name: Annotated[str, Field(min_length=1, max_length=255, description="display name")] | None = None
    type: MediaType = MediaType.AUTO
    user_id: Annotated[
        str,
        Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="owner; part of the S3 key"),
    ] = "default"
    tags: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=63)]],
            Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    metadata: (
        Annotated[
            dict[str, Any],
            Field(max_length=256, description="free-form JSON, at most 8 KiB; kept and answered as it is"),
        ]
        | None
    ) = None
    expected: Expected | None = None
    thumbnail: ThumbnailSpec = ThumbnailSpec()
    limits: Limits = Limits()
    suspend: Annotated[bool, Field(description="true: start nothing, stop what runs")] = False
    run: Annotated[str, Field(max_length=63, description="any new value: run again")] = ""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    ttl_seconds_after_finished: (
        Annotated[int, Field(ge=MIN_TTL_SECONDS, description="removal of the resource; the stored objects stay")] | None
    ) = None


MUTABLE = frozenset({"suspend", "run", "deletionPolicy", "ttlSecondsAfterFinished"})
"""The wire names of the fields of `spec` that may change after creation."""
