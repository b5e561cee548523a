"""Schemas of request and response bodies. The OpenAPI document is made from them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NotRequired, Self

from mediaimport_api.json_depth import storable
from mediaimport_api.model import MAX_COUNT, SHA256_PATTERN, Count, Sha256
from mediaimport_api.spec import MAX_URL_BYTES, OBJECT_NAME_PATTERN, MediaType, SecretRef, ThumbnailFrame, Undescribed
from mediaimport_api.status import Phase, Step  # noqa: TC002 - pydantic reads the annotations at run time
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator, with_config
from typing_extensions import TypedDict

from mediaimport_webhook.http.problem_types import ProblemDetails  # noqa: TC001 - pydantic reads the annotations at run time

AssetStatus = Literal["uploading", "ready", "failed"]
AssetKind = Literal["video", "image", "audio", "model3d", "document", "archive", "file"]
JobStatus = Literal["generating", "uploading", "ready", "failed"]

_CLOSED = ConfigDict(extra="forbid", use_enum_values=True)
_OPEN = ConfigDict(extra="allow")

AssetId = Annotated[str, Field(json_schema_extra={"format": "uuid"}, examples=["0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01"])]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-01T12:00:00Z"])]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]


MAX_TAGS = 32
_MAX_NAME = 255
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
    name: Annotated[str, Field(min_length=1, max_length=_MAX_NAME)] | None = None
    type: MediaType = MediaType.AUTO
    metadata: Annotated[dict[str, Any], Field(max_length=256), AfterValidator(storable)] | None = None
    tags: Tags | None = None
    expected: ExpectedMedia | None = None
    thumbnail: ThumbnailRequest | None = None
    undescribed: Annotated[
        Undescribed, Field(description="Refuse fails the import of what is no media that can be described")
    ] = Undescribed.KEEP
    source_headers_secret: (
        Annotated[
            str,
            AfterValidator(_secret_name),
            Field(
                description="a Secret with request headers for the URL's host, by name; for admins",
                json_schema_extra={"pattern": OBJECT_NAME_PATTERN, "maxLength": 253},
            ),
        ]
        | None
    ) = None


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
    name: Annotated[str, Field(min_length=1, max_length=_MAX_NAME)] | None = None
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

    name: Annotated[str, Field(min_length=1, max_length=_MAX_NAME)] = ""
    tags: Annotated[Tags | None, Field(description="all of them; null for none")] = None
    metadata: Annotated[
        Annotated[dict[str, Any], Field(max_length=256), AfterValidator(storable)] | None,
        Field(description="fields to change; null removes one, or all (RFC 7396). Measured fields stay"),
    ] = None


class GenerationTags(BaseModel):
    """The tags in a generation's body; the other fields are the model's."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tags: Tags = []


@with_config(_OPEN)
class Metadata(TypedDict):
    """Measured values, merged over the caller's own metadata: measured keys win."""

    duration: Annotated[float | None, Field(description="seconds", examples=[5.28])]
    width: Annotated[int | None, Field(description="as a viewer sees it, after rotation", examples=[1280])]
    height: Annotated[int | None, Field(examples=[720])]
    codec: Annotated[str | None, Field(examples=["h264"])]
    bitrate: Annotated[int | None, Field(description="bits per second", examples=[2400000])]
    frame_rate: Annotated[float | None, Field(description="frames per second", examples=[24.0])]
    format: Annotated[
        str | None, Field(description="ffprobe's name of the container; the extension of a file that it cannot read")
    ]
    aspect_ratio: Annotated[str | None, Field(examples=["16:9"])]
    animated: Annotated[
        bool | None, Field(description="true for an image that moves; its `duration` says how long", examples=[False])
    ]
    size_bytes: int | None
    content_type: Annotated[str | None, Field(examples=["video/mp4"])]
    sha256: Sha256 | None
    error: Annotated[str | None, Field(description="why it failed, for people; null unless status is failed")]


@with_config(_CLOSED)
class Progress(TypedDict):
    """Progress of the running attempt."""

    step: Step
    percent: Annotated[int, Field(ge=0, le=100)] | None
    bytes_done: Count | None
    bytes_total: Count | None
    message: Annotated[str | None, Field(description="what the importer waits for; null while it works")]
    updated_at: Moment | None


@with_config(_CLOSED)
class Generation(TypedDict):
    """Recipe of a generated asset: what its generator said of the making."""

    provider: Annotated[str, Field(examples=["replicate"])]
    id: Annotated[str, Field(description="id of the prediction", examples=["gm3qorzdhgbfurvjtvhg6dckhu"])]
    pointer: Annotated[str, Field(description="JSON Pointer into the prediction's output", examples=["/0"])]
    model: str | None
    version: str | None
    input: Annotated[
        dict[str, Any] | None,
        Field(
            description="input of the model, as the service records it; a long text or data: URI is"
            " {sha256, bytes}; null if nothing is recorded"
        ),
    ]
    metrics: Annotated[dict[str, Any] | None, Field(examples=[{"predict_time": 4.2}])]
    seed: Annotated[int | str | None, Field(description="a text beyond 2^53 - 1, which not every reader keeps exactly")]
    created_at: Moment | None
    started_at: Moment | None
    completed_at: Moment | None
    truncated: Annotated[bool, Field(description="true if something did not fit and was left out")]


@with_config(_CLOSED)
class Asset(TypedDict):
    """One asset, from the request on."""

    id: AssetId
    name: Annotated[str, Field(examples=["film.mp4"])]
    status: AssetStatus
    url: Annotated[Url | None, Field(description="presigned, until expires_at; null unless stored")]
    thumbnail_url: Annotated[Url | None, Field(description="presigned JPEG; null where there is none")]
    type: AssetKind | None
    metadata: Metadata
    progress: Progress | None
    phase: Phase
    reason: Annotated[str | None, Field(description="reason of the Ready condition, one word", examples=["Imported"])]
    tags: list[str]
    job_id: Annotated[str | None, Field(description="the prediction that generated it")]
    import_job_id: Annotated[str, Field(description="the MediaImport's name")]
    created_at: Moment
    expires_at: Annotated[Moment | None, Field(description="when the URLs stop working; ask again for new ones")]
    broken: Annotated[str | None, Field(description="what of the resource cannot be shown, and why; null if all is")]
    generation: NotRequired[
        Annotated[Generation, Field(description="only where one asset is shown, and a generator made it")]
    ]


@with_config(_CLOSED)
class AssetList(TypedDict):
    """One page, newest first unless `sort` says otherwise."""

    assets: list[Asset]
    next: Annotated[str | None, Field(description="the next page's cursor; null on the last")]


@with_config(_CLOSED)
class AssetEvent(TypedDict):
    """One event of a stream of Server-Sent Events."""

    event: Annotated[Literal["asset", "gone"], Field(description="`gone` if the asset goes; it is the last event")]
    id: NotRequired[Annotated[str, Field(description="the asset's version, for Last-Event-ID")]]
    data: Annotated[
        str,
        Field(
            description="the asset as JSON; `{}` of `gone`", json_schema_extra={"contentMediaType": "application/json"}
        ),
    ]


@with_config(_CLOSED)
class AnyAssetEvent(TypedDict):
    """One event of the stream of all assets."""

    event: Annotated[
        Literal["asset", "gone", "reset"],
        Field(
            description="`gone` if an asset is deleted; `reset` if the client is to list its assets, as it does first"
        ),
    ]
    id: NotRequired[Annotated[str, Field(description="for Last-Event-ID; absent where others of that moment follow")]]
    data: Annotated[
        str,
        Field(
            description="the asset as JSON; its `id` alone of `gone`, `{}` of `reset`",
            json_schema_extra={"contentMediaType": "application/json"},
        ),
    ]


@with_config(_CLOSED)
class AcceptedImport(TypedDict):
    """Accepted import; nothing has been downloaded yet."""

    asset_id: AssetId
    import_job_id: Annotated[str, Field(examples=["import-0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01"])]
    status: AssetStatus


@with_config(_CLOSED)
class BatchedImport(TypedDict):
    """Answer to one import of many: what import-from-url had answered."""

    status: Annotated[int, Field(ge=200, le=599, description="202, or that of the problem", examples=[202])]
    accepted: Annotated[AcceptedImport | None, Field(description="null if there is no import")]
    problem: Annotated[ProblemDetails | None, Field(description="null if there is an import")]


@with_config(_CLOSED)
class BatchedImports(TypedDict):
    """Answers to many imports, in the order of the request."""

    imports: list[BatchedImport]


@with_config(_CLOSED)
class DeletedAsset(TypedDict):
    """Answer to the deletion of one asset of a prediction."""

    id: AssetId
    user: str
    status: Annotated[int, Field(ge=200, le=599, description="202, or that of the problem", examples=[202])]
    problem: Annotated[ProblemDetails | None, Field(description="null if the asset is deleted")]


@with_config(_CLOSED)
class DeletedAssets(TypedDict):
    """Answers to the deletion of a prediction's assets; none if it has none, or none left."""

    assets: list[DeletedAsset]
    more: Annotated[bool, Field(description="true if there are more: send the request again")]


@with_config(_CLOSED)
class BegunUpload(TypedDict):
    """Upload that waits for its file."""

    id: Annotated[AssetId, Field(description="of the upload, and of the asset that it becomes")]
    method: Literal["PUT"]
    url: Annotated[Url, Field(description="presigned, until expires_at; for size_bytes bytes and no others")]
    headers: Annotated[dict[str, str], Field(description="headers that the PUT has to have, with these values")]
    expires_at: Annotated[Moment, Field(description="when the URL stops working; begin another upload then")]


@with_config(_CLOSED)
class StartedPrediction(TypedDict):
    """Prediction that was started."""

    job_id: Annotated[str, Field(examples=["gm3qorzdhgbfurvjtvhg6dckhu"])]
    status: Annotated[str, Field(description="the generator's own word", examples=["starting"])]


@with_config(_CLOSED)
class Model(TypedDict):
    """Model that a caller can start."""

    alias: Annotated[str, Field(examples=["wan-video-t2v"])]
    provider: Annotated[str, Field(examples=["replicate"])]
    model: Annotated[str, Field(description="the generator's name of it", examples=["wan-video/wan-2.5-t2v"])]
    path: Annotated[str, Field(description="POST the input there", examples=["/api/v1/replicate/wan-video-t2v"])]
    input: Annotated[dict[str, Any], Field(description="JSON Schema of the input, without the assets' `tags`")]


@with_config(_CLOSED)
class ModelList(TypedDict):
    """Models, by alias; none where generation is not configured."""

    models: list[Model]


@with_config(_CLOSED)
class Job(TypedDict):
    """Prediction and its assets."""

    job_id: str
    status: JobStatus
    provider_status: Annotated[str | None, Field(description="the generator's own word; null where it is unknown")]
    outputs_expected: Annotated[
        Count | None, Field(description="number of assets that the prediction makes; null until it has succeeded")
    ]
    error: str | None
    tags: list[str]
    assets: list[Asset]


@with_config(_CLOSED)
class OutputResult(TypedDict):
    """Result for one media URL of the output."""

    pointer: Annotated[str, Field(description="JSON Pointer into the output", examples=["/0"])]
    asset_id: AssetId | None
    outcome: Literal["created", "duplicate", "taken", "refused", "deleted", "gone"]


@with_config(_CLOSED)
class CallbackResult(TypedDict):
    """Result of a callback; all of it is persisted."""

    status: Literal["imported", "ignored"]
    assets: list[OutputResult]
    reason: NotRequired[str]


@with_config(_CLOSED)
class StatusCounts(TypedDict):
    """Assets by status."""

    uploading: Count
    ready: Count
    failed: Count


@with_config(_CLOSED)
class FailedImport(TypedDict):
    """Failed import."""

    id: AssetId
    name: str
    reason: str | None
    error: str | None
    created_at: Moment


@with_config(_CLOSED)
class Stats(TypedDict):
    """Counts and bytes of all assets that the caller sees."""

    total: Count
    by_status: StatusCounts
    by_type: dict[str, Count]
    stored_bytes: Count
    recent_failures: list[FailedImport]


@with_config(_CLOSED)
class UsageAmount(TypedDict):
    """A number of stored assets and their bytes."""

    assets: Count
    bytes: Count


@with_config(_CLOSED)
class MonthlyUsage(TypedDict):
    """Stored assets of one month, by their creation in UTC."""

    month: Annotated[str, Field(examples=["2026-01"])]
    assets: Count
    bytes: Count


@with_config(_CLOSED)
class Usage(TypedDict):
    """Stored assets, without thumbnails and sidecars."""

    user: Annotated[str | None, Field(description="null for everybody")]
    total: UsageAmount
    quota_bytes: Annotated[Count | None, Field(description="bytes that one user may have; null for no limit")]
    months: Annotated[list[MonthlyUsage], Field(description="the oldest first; months without assets are left out")]
    duplicates: Annotated[UsageAmount, Field(description="assets whose bytes another one has, too: one copy is none")]


@with_config(_CLOSED)
class OperatedImport(TypedDict):
    """Import, as operations people look for it."""

    id: AssetId
    name: str
    user: str
    import_job_id: Annotated[str, Field(description="name of the MediaImport")]
    phase: Phase
    reason: str | None
    created_at: Moment
    source_expires_at: Annotated[Moment | None, Field(description="when the source's URL ends, of one under way")]


@with_config(_CLOSED)
class PhaseGroup(TypedDict):
    """Imports of one phase."""

    phase: Phase
    count: Count
    oldest: list[OperatedImport]


@with_config(_CLOSED)
class ReasonGroup(TypedDict):
    """Failed imports of one reason."""

    reason: str
    count: Count
    newest: OperatedImport


@with_config(_CLOSED)
class Operations(TypedDict):
    """Imports whose MediaImport exists: under way by phase, failed by reason, and sources that end next."""

    namespace: Annotated[str | None, Field(description="of the MediaImports; null unless the caller is an admin")]
    under_way: Annotated[list[PhaseGroup], Field(description="each phase, with up to ten imports")]
    failed: Annotated[list[ReasonGroup], Field(description="the most frequent reason first")]
    expiring: Annotated[list[OperatedImport], Field(description="up to ten, the first to end first")]


@with_config(_CLOSED)
class Alive(TypedDict):
    """Liveness."""

    status: Literal["ok"]


@with_config(_CLOSED)
class Ready(TypedDict):
    """Readiness: the state of the read cache."""

    synced: bool
    last_event_age_s: float | None
    imports: Count
