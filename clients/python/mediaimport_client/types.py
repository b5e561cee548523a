"""Bodies of the API, as typed dicts. Written by `make generate` from the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

MediaType = Literal["auto", "video", "image", "audio", "model3d", "document", "archive", "file"]
"""The kind of file that the author expects; `auto` and `file` accept every kind."""

Phase = Literal["Pending", "Queued", "Importing", "Waiting", "Ready", "Failed", "Suspended"]
"""The state in one word, for people; derived from conditions."""

Step = Literal["connect", "download", "probe", "thumbnail", "commit"]
"""The steps of an import, in order."""

ThumbnailFrame = Literal["first", "skipBlack"]
"""The frame that becomes the thumbnail."""

Undescribed = Literal["Keep", "Refuse"]
"""The fate of a file that cannot be described: no media, or media that ffprobe cannot read."""


class AcceptedImport(TypedDict):
    """Accepted import; nothing has been downloaded yet."""

    asset_id: str
    import_job_id: str
    status: Literal["uploading", "ready", "failed"]


class Alive(TypedDict):
    """Liveness."""

    status: Literal["ok"]


class AnyAssetEvent(TypedDict):
    """One event of the stream of all assets."""

    event: Literal["asset", "gone", "reset"]
    """`gone` if an asset is deleted; `reset` if the client is to list its assets, as it does first."""
    id: NotRequired[str]
    """For Last-Event-ID; absent where others of that moment follow."""
    data: str
    """The asset as JSON; its `id` alone of `gone`, `{}` of `reset`."""


class Asset(TypedDict):
    """One asset, from the request on."""

    id: str
    name: str
    status: Literal["uploading", "ready", "failed"]
    url: str | None
    """Presigned, until expires_at; null unless stored."""
    thumbnail_url: str | None
    """Presigned JPEG; null where there is none."""
    type: Literal["video", "image", "audio", "model3d", "document", "archive", "file"] | None
    metadata: Metadata
    progress: Progress | None
    phase: Phase
    reason: str | None
    """Reason of the Ready condition, one word."""
    tags: list[str]
    job_id: str | None
    """The prediction that generated it."""
    import_job_id: str
    """The MediaImport's name."""
    created_at: str
    expires_at: str | None
    """When the URLs stop working; ask again for new ones."""
    broken: str | None
    """What of the resource cannot be shown, and why; null if all is."""
    generation: NotRequired[Generation]
    """Only where one asset is shown, and a generator made it."""


class AssetChanges(TypedDict):
    """Changes of a stored asset: a field that is left out stays."""

    name: NotRequired[str]
    tags: NotRequired[list[str] | None]
    """All of them; null for none."""
    metadata: NotRequired[dict[str, Any] | None]
    """Fields to change; null removes one, or all (RFC 7396). Measured fields stay."""


class AssetEvent(TypedDict):
    """One event of a stream of Server-Sent Events."""

    event: Literal["asset", "gone"]
    """`gone` if the asset goes; it is the last event."""
    id: NotRequired[str]
    """The asset's version, for Last-Event-ID."""
    data: str
    """The asset as JSON; `{}` of `gone`."""


class AssetList(TypedDict):
    """One page, newest first unless `sort` says otherwise."""

    assets: list[Asset]
    next: str | None
    """The next page's cursor; null on the last."""


class BatchedImport(TypedDict):
    """Answer to one import of many: what import-from-url had answered."""

    status: int
    """202, or that of the problem."""
    accepted: AcceptedImport | None
    """Null if there is no import."""
    problem: ProblemDetails | None
    """Null if there is an import."""


class BatchedImports(TypedDict):
    """Answers to many imports, in the order of the request."""

    imports: list[BatchedImport]


class BegunUpload(TypedDict):
    """Upload that waits for its file."""

    id: str
    """Of the upload, and of the asset that it becomes."""
    method: Literal["PUT"]
    url: str
    """Presigned, until expires_at; for size_bytes bytes and no others."""
    headers: dict[str, str]
    """Headers that the PUT has to have, with these values."""
    expires_at: str
    """When the URL stops working; begin another upload then."""


class CallbackResult(TypedDict):
    """Result of a callback; all of it is persisted."""

    status: Literal["imported", "ignored"]
    assets: list[OutputResult]
    reason: NotRequired[str]


class DeletedAsset(TypedDict):
    """Answer to the deletion of one asset of a prediction."""

    id: str
    user: str
    status: int
    """202, or that of the problem."""
    problem: ProblemDetails | None
    """Null if the asset is deleted."""


class DeletedAssets(TypedDict):
    """Answers to the deletion of a prediction's assets; none if it has none, or none left."""

    assets: list[DeletedAsset]
    more: bool
    """True if there are more: send the request again."""


class ExpectedMedia(TypedDict):
    """Properties of the media that the caller knows; other media fails the import."""

    sha256: NotRequired[str | None]
    size_bytes: NotRequired[int | None]


class FailedImport(TypedDict):
    """Failed import."""

    id: str
    name: str
    reason: str | None
    error: str | None
    created_at: str


class FieldProblem(TypedDict):
    """Error of one field."""

    pointer: str
    """JSON Pointer into the body, or ?name for a query parameter."""
    detail: str


class Generation(TypedDict):
    """Recipe of a generated asset: what its generator said of the making."""

    provider: str
    id: str
    """Id of the prediction."""
    pointer: str
    """JSON Pointer into the prediction's output."""
    model: str | None
    version: str | None
    input: dict[str, Any] | None
    """Input of the model, as the service records it; a long text or data: URI is {sha256, bytes}; null if nothing
    is recorded."""
    metrics: dict[str, Any] | None
    seed: int | str | None
    """A text beyond 2^53 - 1, which not every reader keeps exactly."""
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    truncated: bool
    """True if something did not fit and was left out."""


class ImportBatch(TypedDict):
    """Imports of many URLs."""

    imports: list[dict[str, Any]]
    """Each as the body of import-from-url has it, and `idempotency_key` instead of the header."""


class ImportRequest(TypedDict):
    """Import of a URL. A caller sets neither owner nor provider."""

    url: str
    name: NotRequired[str | None]
    type: NotRequired[MediaType]
    metadata: NotRequired[dict[str, Any] | None]
    tags: NotRequired[list[str] | None]
    expected: NotRequired[ExpectedMedia | None]
    thumbnail: NotRequired[ThumbnailRequest | None]
    undescribed: NotRequired[Undescribed]
    """Refuse fails the import of what is no media that can be described."""
    source_headers_secret: NotRequired[str | None]


class Job(TypedDict):
    """Prediction and its assets."""

    job_id: str
    status: Literal["generating", "uploading", "ready", "failed"]
    provider_status: str | None
    """The generator's own word; null where it is unknown."""
    outputs_expected: int | None
    """Number of assets that the prediction makes; null until it has succeeded."""
    error: str | None
    tags: list[str]
    assets: list[Asset]


class KeyedWebhook(TypedDict):
    """Endpoint with its signing key, which no other answer shows."""

    id: str
    url: str
    types: list[Literal["asset.ready", "asset.failed", "asset.deleted", "prediction.failed"]]
    """Empty: all."""
    created_at: str
    signing_key: str
    """Of Standard Webhooks: `whsec_` and base64."""


class Metadata(TypedDict):
    """Measured values, merged over the caller's own metadata: measured keys win."""

    duration: float | None
    """Seconds."""
    width: int | None
    """As a viewer sees it, after rotation."""
    height: int | None
    codec: str | None
    bitrate: int | None
    """Bits per second."""
    frame_rate: float | None
    """Frames per second."""
    format: str | None
    """Ffprobe's name of the container; the extension of a file that it cannot read."""
    aspect_ratio: str | None
    animated: bool | None
    """True for an image that moves; its `duration` says how long."""
    size_bytes: int | None
    content_type: str | None
    sha256: str | None
    error: str | None
    """Why it failed, for people; null unless status is failed."""


class Model(TypedDict):
    """Model that a caller can start."""

    alias: str
    provider: str
    model: str
    """The generator's name of it."""
    path: str
    """POST the input there."""
    input: dict[str, Any]
    """JSON Schema of the input, without the assets' `tags`."""


class ModelList(TypedDict):
    """Models, by alias; none where generation is not configured."""

    models: list[Model]


class MonthlyUsage(TypedDict):
    """Stored assets of one month, by their creation in UTC."""

    month: str
    assets: int
    bytes: int


class OperatedImport(TypedDict):
    """Import, as operations people look for it."""

    id: str
    name: str
    user: str
    import_job_id: str
    """Name of the MediaImport."""
    phase: Phase
    reason: str | None
    created_at: str
    source_expires_at: str | None
    """When the source's URL ends, of one under way."""


class Operations(TypedDict):
    """Imports whose MediaImport exists: under way by phase, failed by reason, and sources that end next."""

    namespace: str | None
    """Of the MediaImports; null unless the caller is an admin."""
    under_way: list[PhaseGroup]
    """Each phase, with up to ten imports."""
    failed: list[ReasonGroup]
    """The most frequent reason first."""
    expiring: list[OperatedImport]
    """Up to ten, the first to end first."""


class OutputResult(TypedDict):
    """Result for one media URL of the output."""

    pointer: str
    """JSON Pointer into the output."""
    asset_id: str | None
    outcome: Literal["created", "duplicate", "taken", "refused", "deleted", "gone"]


class PhaseGroup(TypedDict):
    """Imports of one phase."""

    phase: Phase
    count: int
    oldest: list[OperatedImport]


class ProblemDetails(TypedDict):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    """What happened, and what to do."""
    errors: NotRequired[list[FieldProblem]]
    setting: NotRequired[str]
    """The missing settings of this service."""
    request_id: NotRequired[str]
    """As in X-Request-Id and in this service's log."""


class Progress(TypedDict):
    """Progress of the running attempt."""

    step: Step
    percent: int | None
    bytes_done: int | None
    bytes_total: int | None
    message: str | None
    """What the importer waits for; null while it works."""
    updated_at: str | None


class Ready(TypedDict):
    """Readiness: the state of the read cache."""

    synced: bool
    last_event_age_s: float | None
    imports: int


class ReasonGroup(TypedDict):
    """Failed imports of one reason."""

    reason: str
    count: int
    newest: OperatedImport


class StartedPrediction(TypedDict):
    """Prediction that was started."""

    job_id: str
    status: str
    """The generator's own word."""


class Stats(TypedDict):
    """Counts and bytes of all assets that the caller sees."""

    total: int
    by_status: StatusCounts
    by_type: dict[str, int]
    stored_bytes: int
    recent_failures: list[FailedImport]


class StatusCounts(TypedDict):
    """Assets by status."""

    uploading: int
    ready: int
    failed: int


class ThumbnailRequest(TypedDict):
    """Size and frame of the thumbnail."""

    width_pixels: NotRequired[int]
    """Maximum; a smaller picture is not enlarged."""
    frame: NotRequired[ThumbnailFrame]


class UploadRequest(TypedDict):
    """Upload that a caller begins. The store takes a file of this size, type and checksum alone."""

    size_bytes: int
    sha256: NotRequired[str | None]
    content_type: NotRequired[str]
    """Header of the PUT; the type of the asset is told by the bytes."""
    name: NotRequired[str | None]
    type: NotRequired[MediaType]
    metadata: NotRequired[dict[str, Any] | None]
    tags: NotRequired[list[str] | None]
    thumbnail: NotRequired[ThumbnailRequest | None]
    undescribed: NotRequired[Undescribed]
    """Refuse fails the import of what is no media that can be described."""


class Usage(TypedDict):
    """Stored assets, without thumbnails and sidecars."""

    user: str | None
    """Null for everybody."""
    total: UsageAmount
    quota_bytes: int | None
    """Bytes that one user may have; null for no limit."""
    months: list[MonthlyUsage]
    """The oldest first; months without assets are left out."""
    duplicates: UsageAmount
    """Assets whose bytes another one has, too: one copy is none."""


class UsageAmount(TypedDict):
    """A number of stored assets and their bytes."""

    assets: int
    bytes: int


class Webhook(TypedDict):
    """Endpoint of a user."""

    id: str
    url: str
    types: list[Literal["asset.ready", "asset.failed", "asset.deleted", "prediction.failed"]]
    """Empty: all."""
    created_at: str


class WebhookDeliveries(TypedDict):
    """The newest deliveries to an endpoint, the newest first, as long as their imports are there."""

    deliveries: list[WebhookDelivery]


class WebhookDelivery(TypedDict):
    """Delivery of one event to one endpoint."""

    type: str
    id: str
    """Of the asset, the prediction, or of a test the webhook."""
    at: str
    """Time of the event."""
    outcome: Literal["pending", "delivered", "given_up"]
    """Pending: it is tried, or tried again."""
    ended_at: str | None
    http_status: int | None
    """Of the last answer."""
    error: str | None
    """Of a test in vain."""


class WebhookList(TypedDict):
    """All endpoints of a user, in the order in which they were made."""

    webhooks: list[Webhook]


class WebhookReplay(TypedDict):
    """Replay: events from `since` until `at` are delivered again, by the ids that they had."""

    since: str
    at: str


class WebhookRequest(TypedDict):
    """Webhook that a caller makes."""

    url: str
    """Public, on port 80 or 443; whoever may read Leases sees it."""
    types: NotRequired[list[Literal["asset.ready", "asset.failed", "asset.deleted", "prediction.failed"]]]
    """Of the events that it is told of; absent or empty: all."""


class WebhookTest(TypedDict):
    """Test of an endpoint; its delivery has the type `webhook.test` and this time."""

    at: str
