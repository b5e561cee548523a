"""`status` of a MediaImport: what became of it.

Absent means unknown. Never holds a presigned URL, a token or a URL's query.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from mediaimport_api.model import Count, Lenient, Sha256, Timestamp, Word
from mediaimport_api.reasons import Reason

MAX_STATUS_BYTES = 8 * 1024
MAX_ATTEMPTS_SHOWN = 5
MAX_LOG_TAIL = 1024
MAX_MESSAGE = 512

Message = Annotated[str, Field(max_length=MAX_MESSAGE)]


class Phase(StrEnum):
    """The state in one word, derived for people; nothing decides by it."""

    PENDING = "Pending"
    QUEUED = "Queued"
    IMPORTING = "Importing"
    WAITING = "Waiting"
    READY = "Ready"
    FAILED = "Failed"
    SUSPENDED = "Suspended"


class Kind(StrEnum):
    """What the media is, by its bytes."""

    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"


class Step(StrEnum):
    """What an importer is at, in order."""

    CONNECT = "connect"
    DOWNLOAD = "download"
    PROBE = "probe"
    THUMBNAIL = "thumbnail"
    COMMIT = "commit"


class DurationSource(StrEnum):
    """Where a duration was read: in the container, in a stream, from the last packet, or by decoding."""

    CONTAINER = "container"
    STREAM = "stream"
    PACKETS = "packets"
    DECODED = "decoded"


class ConditionType(StrEnum):
    """Ready, and kstatus's Reconciling and Stalled: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    THUMBNAIL_READY = "ThumbnailReady"


class Condition(Lenient):
    """Kubernetes' metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    message: Annotated[str, Field(max_length=1024)]
    last_transition_time: Timestamp
    observed_generation: Count | None = None


class Progress(Lenient):
    """How far the running attempt is."""

    step: Step
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    bytes_done: Count | None = None
    bytes_total: Count | None = None
    updated_at: Timestamp | None = None


class Attempt(Lenient):
    """One Job. `reason` is absent while it runs."""

    number: Annotated[int, Field(ge=1)]
    job_name: Annotated[str, Field(max_length=253)]
    pod_name: Annotated[str, Field(max_length=253)] | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    reason: Reason | None = None
    exit_code: int | None = None
    message: Message | None = None
    log_tail: Annotated[str, Field(max_length=MAX_LOG_TAIL, description="on the newest failed attempt only")] | None = (
        None
    )


class Tally(Lenient):
    """Attempts of this run by how they ended; more than `attempts` can show."""

    started: Count = 0
    counted: Annotated[Count, Field(description="ended and counted against limits.attempts")] = 0
    disrupted: Annotated[Count, Field(description="interrupted from outside; not counted, at most 5")] = 0
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
    """The picture: of a video's first video stream, or of a still image."""

    codec_name: Word
    profile: Word | None = None
    pix_fmt: Word | None = None
    coded_width: Count | None = None
    coded_height: Count | None = None
    rotation: Annotated[int, Field(ge=0, le=359, description="degrees clockwise that a viewer applies")] | None = None
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
    """What a viewer may stumble over, though the asset is whole."""

    BLACK_FIRST_FRAME = "BlackFirstFrame"
    DURATION_UNKNOWN = "DurationUnknown"


class Media(Lenient):
    """What the media is. `width` and `height` in pixels as a viewer sees them: rotated, with square pixels."""

    format_name: Word
    duration_ms: Annotated[Count, Field(description="absent for still images")] | None = None
    duration_source: DurationSource | None = None
    bit_rate_bps: Count | None = None
    width: Count | None = None
    height: Count | None = None
    aspect_ratio: Annotated[Word, Field(description='"16:9", of width and height')] | None = None
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
    """Why the newest attempt failed."""

    reason: Reason
    message: Message
    retryable: bool
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None


class Status(Lenient):
    """The whole status, at most 8 KiB of JSON."""

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

    def condition(self, kind: ConditionType) -> Condition | None:
        """Return the condition of that type, if there is one."""
        return next((each for each in self.conditions if each.type == kind), None)

    def to_wire(self) -> dict[str, Any]:
        """Return plain JSON data; an empty list is left out like anything else that is absent."""
        return {name: value for name, value in super().to_wire().items() if value != []}
