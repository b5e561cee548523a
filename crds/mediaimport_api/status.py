"""The `status` of a MediaImport: its state, its attempts and the stored asset.

An absent field is unknown. The status never holds a presigned URL, a token or a URL's query.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from mediaimport_api.model import Count, Lenient, Sha256, Timestamp, Word
from mediaimport_api.open_enum import OpenEnum
from mediaimport_api.reasons import MAX_MESSAGE, Reason

MAX_STATUS_BYTES = 8 * 1024
MAX_ATTEMPTS_SHOWN = 5
MAX_LOG_TAIL = 1024
MAX_INSTALLED_ENDPOINTS, MAX_USER_ENDPOINTS = 8, 5
"""Endpoints that the installer can configure, and that one user can make."""
MAX_ENDPOINTS = MAX_INSTALLED_ENDPOINTS + MAX_USER_ENDPOINTS
"""Endpoints that can be told of one event."""

Message = Annotated[str, Field(max_length=MAX_MESSAGE)]


class Phase(StrEnum):
    """The state in one word, for people; derived from conditions."""

    PENDING = "Pending"
    QUEUED = "Queued"
    IMPORTING = "Importing"
    WAITING = "Waiting"
    READY = "Ready"
    FAILED = "Failed"
    SUSPENDED = "Suspended"


class Kind(OpenEnum):
    """The kind of a file, detected from its bytes."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"
    MODEL3D = "model3d"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    FILE = "file"
    """Any other: stored as it came."""

    @property
    def is_media(self) -> bool:
        """Tell whether it has pictures or sound, which ffprobe describes."""
        return self in {Kind.VIDEO, Kind.IMAGE, Kind.AUDIO}


class Step(StrEnum):
    """The steps of an import, in order."""

    CONNECT = "connect"
    DOWNLOAD = "download"
    PROBE = "probe"
    THUMBNAIL = "thumbnail"
    COMMIT = "commit"


class DurationSource(StrEnum):
    """The origin of a duration: the container, a stream, the last packet, or decoding."""

    CONTAINER = "container"
    STREAM = "stream"
    PACKETS = "packets"
    DECODED = "decoded"


class ConditionType(StrEnum):
    """Ready, and kstatus's Reconciling and Stalled: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DESCRIBED = "Described"
    THUMBNAIL_READY = "ThumbnailReady"
    NOTIFIED = "Notified"
    """Only where endpoints want the event."""
    RECORDED = "Recorded"
    """Only with a catalogue database."""


class Condition(Lenient):
    """A condition, as metav1.Condition of Kubernetes."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    message: Annotated[str, Field(max_length=1024)]
    last_transition_time: Timestamp
    observed_generation: Count | None = None


class Progress(Lenient):
    """Progress of the running attempt."""

    step: Step
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    bytes_done: Count | None = None
    bytes_total: Count | None = None
    message: Annotated[Message, Field(description="what the importer waits for; absent while it works")] | None = None
    updated_at: Timestamp | None = None


class Attempt(Lenient):
    """One attempt, in a Job of its own. `reason` is absent while it runs."""

    number: Annotated[int, Field(ge=1)]
    job_name: Annotated[str, Field(max_length=253)]
    pod_name: Annotated[str, Field(max_length=253)] | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    reason: Reason | None = None
    exit_code: int | None = None
    message: Message | None = None
    log_tail: (
        Annotated[str, Field(max_length=MAX_LOG_TAIL, description="end of the log; only of the newest failed attempt")]
        | None
    ) = None


class Tally(Lenient):
    """Numbers of attempts of this run by their end, including those no longer in `attempts`."""

    started: Count = 0
    counted: Annotated[Count, Field(description="attempts that count against limits.attempts")] = 0
    disrupted: Annotated[
        Count,
        Field(
            description="attempts that were interrupted, by a drain for example; they do not count, and are repeated"
            " until the source expires"
        ),
    ] = 0
    external: Annotated[
        Count,
        Field(
            description="attempts that failed for a cause outside spec and media, such as the store or a pod that could"
            " not start; they do not count,"
            " and are repeated until the source expires"
        ),
    ] = 0
    out_of_memory: Count = 0
    result_lost: Count = 0


class Asset(Lenient):
    """The stored original."""

    id: UUID
    sha256: Sha256
    size_bytes: Count
    content_type: Word
    kind: Kind
    bucket: Word
    key: Annotated[str, Field(max_length=1024)]
    etag: Word | None = None


class VideoMedia(Lenient):
    """The first video stream of a video, or a still image."""

    codec_name: Word
    profile: Word | None = None
    pix_fmt: Word | None = None
    coded_width: Count | None = None
    coded_height: Count | None = None
    rotation: (
        Annotated[int, Field(ge=0, le=359, description="rotation in degrees clockwise that a viewer applies")] | None
    ) = None
    sample_aspect_ratio: Word | None = None
    avg_frame_rate: Annotated[Word, Field(description='a fraction, "24/1"')] | None = None
    variable_frame_rate: bool | None = None
    frame_count: Count | None = None
    color_transfer: Word | None = None
    hdr: bool | None = None
    has_alpha: bool | None = None


class AudioMedia(Lenient):
    """The first audio stream."""

    codec_name: Word
    channels: Count | None = None
    sample_rate_hz: Count | None = None


class MediaWarning(StrEnum):
    """A property of a complete asset that may surprise its viewers."""

    BLACK_FIRST_FRAME = "BlackFirstFrame"
    DURATION_UNKNOWN = "DurationUnknown"
    CHECKSUM_UNVERIFIED = "ChecksumUnverified"
    """The store gives no checksum of the stored original: only its size was compared."""
    END_UNVERIFIED = "EndUnverified"
    """Neither the source nor the media itself says where it ends: it has no gap, but its end may be missing."""
    DESCRIPTION_MISSING = "DescriptionMissing"
    """The media could not be described: the original is stored as it came. The condition Described says why."""
    DURATION_MISMATCH = "DurationMismatch"
    """The container claims another duration than its packets have: `durationMs` is that of the packets."""


class Media(Lenient):
    """Description of the media. `width` and `height` are the display size in pixels: rotated, with square pixels."""

    format_name: Word
    duration_ms: Annotated[Count, Field(description="absent for still images")] | None = None
    duration_source: DurationSource | None = None
    bit_rate_bps: Count | None = None
    width: Count | None = None
    height: Count | None = None
    aspect_ratio: Annotated[Word, Field(description='ratio of width and height, "16:9"')] | None = None
    animated: Annotated[bool, Field(description="of an image: true if it moves (GIF, WebP, APNG, AVIF)")] | None = None
    video: VideoMedia | None = None
    audio: AudioMedia | None = None
    warnings: list[MediaWarning] | None = None


class Thumbnail(Lenient):
    """The stored thumbnail; width and height in pixels."""

    key: Annotated[str, Field(max_length=1024)]
    content_type: Word
    width: Count
    height: Count
    size_bytes: Count


class ErrorInfo(Lenient):
    """The failure of the newest attempt."""

    reason: Reason
    message: Message
    retryable: bool
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None


class AssetEvent(OpenEnum):
    """A change of an asset that endpoints are told of."""

    READY = "Ready"
    FAILED = "Failed"
    DELETED = "Deleted"

    @property
    def type(self) -> str:
        """The event's type: `asset.ready`."""
        return f"asset.{self.value.lower()}"


class DeliveryOutcome(OpenEnum):
    """The end of an event's delivery to one endpoint."""

    DELIVERED = "Delivered"
    GIVEN_UP = "GivenUp"


class Delivery(Lenient):
    """An event's delivery to one endpoint, once it has ended."""

    endpoint: Annotated[str, Field(max_length=63)]
    outcome: DeliveryOutcome
    at: Timestamp
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None


class Notification(Lenient):
    """The event of this run that endpoints are told of; one without a delivery is still to be told."""

    event: AssetEvent
    at: Annotated[Timestamp, Field(description="time of the event, from which the tries of its delivery count")]
    deliveries: Annotated[list[Delivery], Field(max_length=MAX_ENDPOINTS)] = Field(default_factory=list)


class Status(Lenient):
    """The status, at most 8 KiB of JSON."""

    observed_generation: Count | None = None
    run: Annotated[str, Field(max_length=63)] | None = None
    phase: Phase | None = None
    conditions: Annotated[
        list[Condition],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    progress: Progress | None = None
    attempts: Annotated[list[Attempt], Field(max_length=MAX_ATTEMPTS_SHOWN)] = Field(default_factory=list)
    tally: Tally | None = None
    next_attempt_at: Timestamp | None = None
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    source_host: Annotated[str, Field(max_length=253)] | None = None
    size_text: Word | None = None
    duration_text: Word | None = None
    asset: Asset | None = None
    media: Media | None = None
    thumbnail: Thumbnail | None = None
    error: ErrorInfo | None = None
    notification: Notification | None = None

    def condition(self, kind: ConditionType) -> Condition | None:
        """Return the condition of that type, if there is one."""
        return next((each for each in self.conditions if each.type == kind), None)

    def to_wire(self) -> dict[str, Any]:
        """Return plain JSON data without empty lists."""
        return {name: value for name, value in super().to_wire().items() if value != []}
