"""Bodies of requests."""

from __future__ import annotations

from typing import Annotated, Any, Self

from mediaimport_api.json_depth import storable
from mediaimport_api.spec import MAX_URL_BYTES, MediaType, ThumbnailFrame, Undescribed
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mediaimport_webhook.http.schemas.fields import MAX_NAME_CHARACTERS, Digest, SecretName, Size, Tags


class ExpectedMedia(BaseModel):
    """Properties of the media that the caller knows; other media fails the import."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"minProperties": 1})

    sha256: Digest | None = None
    size_bytes: Size | None = None

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if self.sha256 is None and self.size_bytes is None:
            raise ValueError("expects nothing: give sha256 or size_bytes, or leave it out")
        return self


class ThumbnailRequest(BaseModel):
    """Size and frame of the thumbnail."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_pixels: Annotated[
        int, Field(strict=True, ge=16, le=1920, description="maximum; a smaller picture is not enlarged")
    ] = 320
    frame: ThumbnailFrame = ThumbnailFrame.FIRST


class ImportRequest(BaseModel):
    """Import of a URL. A caller sets neither owner nor provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(min_length=6, max_length=MAX_URL_BYTES, pattern=r"^[^\s\x00-\x1f\x7f]*$")]
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)] | None = None
    type: MediaType = MediaType.AUTO
    metadata: Annotated[dict[str, Any], Field(max_length=256), AfterValidator(storable)] | None = None
    tags: Tags | None = None
    expected: ExpectedMedia | None = None
    thumbnail: ThumbnailRequest | None = None
    undescribed: Annotated[
        Undescribed, Field(description="Refuse fails the import of what is no media that can be described")
    ] = Undescribed.KEEP
    source_headers_secret: SecretName | None = None


class ImportBatch(BaseModel):
    """Imports of many URLs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    imports: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=100,
            description="each as the body of import-from-url has it, and `idempotency_key` instead of the header",
        ),
    ]


class UploadRequest(BaseModel):
    """Upload that a caller begins. The store takes a file of this size, type and checksum alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_bytes: Size
    sha256: Digest | None = None
    content_type: Annotated[
        str,
        Field(
            max_length=255,
            pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[!-~]+)*$",
            description="header of the PUT; the type of the asset is told by the bytes",
        ),
    ] = "application/octet-stream"
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)] | None = None
    type: MediaType = MediaType.AUTO
    metadata: Annotated[dict[str, Any], Field(max_length=256), AfterValidator(storable)] | None = None
    tags: Tags | None = None
    thumbnail: ThumbnailRequest | None = None
    undescribed: Annotated[
        Undescribed, Field(description="Refuse fails the import of what is no media that can be described")
    ] = Undescribed.KEEP


class AssetChanges(BaseModel):
    """Changes of a stored asset: a field that is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS)] = ""
    tags: Annotated[Tags | None, Field(description="all of them; null for none")] = None
    metadata: Annotated[
        Annotated[dict[str, Any], Field(max_length=256), AfterValidator(storable)] | None,
        Field(description="fields to change; null removes one, or all (RFC 7396). Measured fields stay"),
    ] = None


class GenerationTags(BaseModel):
    """The tags in a generation's body; the other fields are the model's."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tags: Tags = []
