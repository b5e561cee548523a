"""The `spec` of a MediaImport: the request of its author."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from mediaimport_api.json_depth import (
    MAX_METADATA_BYTES,
    MAX_METADATA_DEPTH,
    MAX_PROVIDER_BYTES,
    provider_refusal,
    storable,
)
from mediaimport_api.model import MAX_YEAR, Model, Sha256, Timestamp
from mediaimport_api.names import INCOMING_PREFIX

MAX_DATA_URI_BYTES = 64 * 1024
MAX_URL_BYTES = 8 * 1024
MIN_TTL_SECONDS = 7200
MAX_TTL_SECONDS = 100 * 366 * 24 * 3600
MAX_INPUT_FIELDS = 256
MAX_METRICS = 64
OBJECT_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
SEED_PATTERN = r"^-?[0-9]+$"
_MAX_QUOTED_URL_BYTES = 96 * 1024
"""The spec goes to the importer as JSON in one environment variable, and Linux takes no more than 128 KiB in one."""

Rule = dict[str, JsonValue]


def _rule(rule: str, message: str, field: str) -> Rule:
    return {"rule": rule, "message": message, "fieldPath": field}


class MediaType(StrEnum):
    """The kind of file that the author expects; `auto` and `file` accept every kind."""

    AUTO = "auto"
    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"
    MODEL3D = "model3d"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    FILE = "file"

    @property
    def accepts_all(self) -> bool:
        """Tell whether every kind is accepted."""
        return self in {MediaType.AUTO, MediaType.FILE}


class Undescribed(StrEnum):
    """The fate of a file that cannot be described: no media, or media that ffprobe cannot read."""

    KEEP = "Keep"
    REFUSE = "Refuse"


class ThumbnailFrame(StrEnum):
    """The frame that becomes the thumbnail."""

    FIRST = "first"
    SKIP_BLACK = "skipBlack"


class DeletionPolicy(StrEnum):
    """The fate of the stored objects when the resource is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class SecretRef(Model):
    """A Secret in the namespace of the MediaImport."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME_PATTERN)]


class Provider(Model):
    """The generator of the media, the position of the URL in its output, and the recipe: what it says of the making."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    id: Annotated[str, Field(min_length=1, max_length=128, description="id of the prediction")]
    pointer: Annotated[str, Field(max_length=256, description="JSON Pointer to the URL in the prediction's output")] = (
        ""
    )
    model: Annotated[str, Field(max_length=256)] | None = None
    version: Annotated[str, Field(max_length=128)] | None = None
    input: (
        Annotated[
            dict[str, Any],
            Field(
                max_length=MAX_INPUT_FIELDS,
                description="input of the model; a long text is {sha256, bytes}. The whole provider has at most"
                f" {MAX_PROVIDER_BYTES // 1024} KiB and {MAX_METADATA_DEPTH} levels",
            ),
            AfterValidator(storable),
        ]
        | None
    ) = None
    metrics: (
        Annotated[
            dict[str, Any],
            Field(max_length=MAX_METRICS, description="measurements of the generator, such as predict_time"),
            AfterValidator(storable),
        ]
        | None
    ) = None
    seed: (
        Annotated[str, Field(max_length=40, pattern=SEED_PATTERN, description="a number of any size, as text")] | None
    ) = None
    created_at: Annotated[Timestamp, Field(description="creation of the prediction")] | None = None
    started_at: Annotated[Timestamp, Field(description="start of the prediction")] | None = None
    completed_at: Annotated[Timestamp, Field(description="end of the prediction")] | None = None
    truncated: Annotated[bool, Field(description="true if something did not fit and was left out")] | None = None

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        refusal = provider_refusal(self.to_wire())
        if refusal is not None:
            raise ValueError(refusal)
        return self


def _valid_url(url: str) -> str:
    """Return the URL; ValueError if nothing can be fetched from it, or if it is too long for the importer's task."""
    if (oversize := url_oversize(url)) is not None:
        raise ValueError(oversize)
    if not url.startswith("data:"):
        _check_host_and_port(url)
    return url


def url_oversize(url: str) -> str | None:
    """Return why a URL is too long for a resource, None if it is not."""
    size_bytes = len(url.encode(errors="surrogatepass"))
    if size_bytes > MAX_DATA_URI_BYTES:
        return f"has {size_bytes} bytes; at most {MAX_DATA_URI_BYTES} are possible"
    quoted_bytes = len(json.dumps(url, ensure_ascii=False).encode(errors="surrogatepass"))
    if quoted_bytes > _MAX_QUOTED_URL_BYTES:
        return f"has {quoted_bytes} bytes as JSON; at most {_MAX_QUOTED_URL_BYTES} are possible"
    return None


def _check_host_and_port(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise ValueError("is not a URL with a valid host and port")


class StoredObject(Model):
    """An object that waits in the bucket for its import: an upload, or a file that came inline in a callback."""

    key: Annotated[
        str,
        Field(
            max_length=512,
            pattern=rf"^{INCOMING_PREFIX}[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)+$",
            description=f"`{INCOMING_PREFIX}` and the userId, then the object's own name; the importer removes the"
            " object once it is imported",
        ),
    ]


_ONE_SOURCE = "source needs exactly one of url and store"
_HEADERS_OF_URL = "source.headersSecretRef is for source.url; an object of the store needs no headers"


class Source(Model):
    """The source of the media: a URL, or an object of the store."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _rule("has(self.url) != has(self.store)", _ONE_SOURCE, ".url"),
                _rule("!has(self.store) || !has(self.headersSecretRef)", _HEADERS_OF_URL, ".headersSecretRef"),
                _rule(
                    f"!has(self.url) || self.url.startsWith('data:') || size(self.url) <= {MAX_URL_BYTES}",
                    f"source.url is longer than {MAX_URL_BYTES} characters; only a data: URI may be",
                    ".url",
                ),
                _rule(
                    "!has(self.expiresAt) || (self.expiresAt >= timestamp('1970-01-01T00:00:00Z')"
                    f" && self.expiresAt < timestamp('{MAX_YEAR}-01-01T00:00:00Z'))",
                    f"source.expiresAt is not between the years 1970 and {MAX_YEAR}",
                    ".expiresAt",
                ),
            ]
        }
    )

    url: (
        Annotated[
            str,
            Field(
                min_length=6,
                max_length=MAX_DATA_URI_BYTES,
                pattern=r"^([Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+|data:)\S*$",
                description="http, https, or a data: URI of at most 64 KiB",
            ),
            AfterValidator(_valid_url),
        ]
        | None
    ) = None
    store: Annotated[StoredObject, Field(description="an object of the store that assets are stored in")] | None = None
    expires_at: (
        Annotated[Timestamp, Field(description="estimated expiry of the URL; it orders the queue and ends retries")]
        | None
    ) = None
    headers_secret_ref: (
        Annotated[
            SecretRef,
            Field(description="Secret with request headers; its key `host` names the only host that gets them"),
        ]
        | None
    ) = None
    provider: Provider | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.url is None) == (self.store is None):
            raise ValueError(_ONE_SOURCE)
        if self.store is not None and self.headers_secret_ref is not None:
            raise ValueError(_HEADERS_OF_URL)
        return self

    @property
    def location(self) -> str:
        """Return what tells this source from all others: its URL, or `store:` and the key of its object."""
        return self.url or f"store:{self.store.key if self.store else ''}"


class Expected(Model):
    """Properties of the media that the author knows; a mismatch is a permanent failure."""

    sha256: Sha256 | None = None
    size_bytes: Annotated[int, Field(ge=1)] | None = None


class ThumbnailSpec(Model):
    """Size and frame of the thumbnail."""

    width_pixels: Annotated[
        int, Field(ge=16, le=1920, description="maximum width; a smaller picture is not enlarged")
    ] = 320
    frame: ThumbnailFrame = ThumbnailFrame.FIRST


class Limits(Model):
    """Limits of one import."""

    max_size_bytes: Annotated[int, Field(ge=1, description="default: the operator's setting")] | None = None
    deadline_seconds: (
        Annotated[int, Field(ge=10, le=86400, description="deadline of one attempt; default: the operator's setting")]
        | None
    ) = None
    attempts: Annotated[
        int, Field(ge=1, le=10, description="maximum number of attempts; interrupted ones do not count")
    ] = 4


_OWN_OBJECT = f"source.store.key is not below {INCOMING_PREFIX} and the userId: the object is another user's"


class Spec(Model):
    """The import to run: its source, its owner, its limits.

    Immutable except `suspend`, `run`, `deletionPolicy` and `ttlSecondsAfterFinished`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                _rule(
                    "!has(self.source.store)"
                    f" || self.source.store.key.startsWith('{INCOMING_PREFIX}' + self.userId + '/')",
                    _OWN_OBJECT,
                    ".source.store.key",
                )
            ]
        }
    )

    source: Source
    asset_id: Annotated[UUID, Field(description="id of the asset; default: the uid of the resource")] | None = None
    name: Annotated[str, Field(min_length=1, max_length=255, description="display name")] | None = None
    type: MediaType = MediaType.AUTO
    user_id: Annotated[
        str,
        Field(
            max_length=63,
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            description="owner of the asset; part of the S3 key",
        ),
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
            Field(
                max_length=256,
                description=f"free-form JSON of at most {MAX_METADATA_BYTES // 1024} KiB and {MAX_METADATA_DEPTH}"
                " levels, stored and returned unchanged",
            ),
            AfterValidator(storable),
        ]
        | None
    ) = None
    expected: Expected | None = None
    undescribed: Annotated[
        Undescribed,
        Field(description="Refuse fails the import of what is no video, image or audio that ffprobe can describe"),
    ] = Undescribed.KEEP
    thumbnail: ThumbnailSpec = ThumbnailSpec()
    limits: Limits = Limits()
    suspend: Annotated[bool, Field(description="true stops a running attempt and starts no other")] = False
    run: Annotated[str, Field(max_length=63, description="a new value starts another run")] = ""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    ttl_seconds_after_finished: (
        Annotated[
            int,
            Field(
                ge=MIN_TTL_SECONDS,
                le=MAX_TTL_SECONDS,
                description="seconds until the finished resource is removed; its stored objects stay",
            ),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _reads_own_objects(self) -> Self:
        store = self.source.store
        if store is not None and not store.key.startswith(f"{INCOMING_PREFIX}{self.user_id}/"):
            raise ValueError(_OWN_OBJECT)
        return self


MUTABLE = frozenset({"suspend", "run", "deletionPolicy", "ttlSecondsAfterFinished"})
"""The fields of `spec`, by their JSON names, that may change after creation."""
