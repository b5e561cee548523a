"""Every reason that an import can have for its state: one enum for conditions, Events, exit codes and docs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum, auto


class Retry(Enum):
    """What the operator does after an attempt that ended so."""

    NEVER = auto()
    COUNTED = auto()
    UNCOUNTED = auto()
    """Not counted against `limits.attempts`; at most MAX_UNCOUNTED in one run."""
    MORE_MEMORY = auto()
    """Once, with more memory."""


MAX_UNCOUNTED = 5


class ExitCode(IntEnum):
    """How an importer's process ends. Named by what went wrong; the result names the reason itself."""

    IMPORTED = 0
    SPEC = 10
    SOURCE_REFUSED = 11
    MEDIA = 12
    EXPECTED = 13
    STORE_REFUSED = 14
    SCRATCH = 15
    SOURCE_UNAVAILABLE = 20
    STORE_UNAVAILABLE = 21
    INTERRUPTED = 30
    UNEXPECTED = 1


class Reason(StrEnum):
    """The closed set. `facts` says what each means, whether it is retried and with which code the importer exits."""

    # an attempt's end, as the importer tells it
    IMPORTED = "Imported"
    SPEC_INVALID = "SpecInvalid"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_EXPIRED = "SourceExpired"
    SOURCE_UNAUTHORIZED = "SourceUnauthorized"
    SOURCE_BLOCKED = "SourceBlocked"
    SOURCE_TOO_LARGE = "SourceTooLarge"
    NOT_MEDIA = "NotMedia"
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    PIXEL_LIMIT_EXCEEDED = "PixelLimitExceeded"
    PROBE_FAILED = "ProbeFailed"
    TYPE_MISMATCH = "TypeMismatch"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    SIZE_MISMATCH = "SizeMismatch"
    STORE_DENIED = "StoreDenied"
    STORE_MISSING = "StoreMissing"
    ASSET_TAKEN = "AssetTaken"
    ASSET_DELETED = "AssetDeleted"
    SCRATCH_EXCEEDED = "ScratchExceeded"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    TRUNCATED = "Truncated"
    STORE_UNAVAILABLE = "StoreUnavailable"
    INTERRUPTED = "Interrupted"
    UNEXPECTED = "Unexpected"
    # an attempt's end, as the pod's status tells it
    OUT_OF_MEMORY = "OutOfMemory"
    DISRUPTED = "Disrupted"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    RESULT_LOST = "ResultLost"
    # on the way
    QUEUED = "Queued"
    STARTING = "Starting"
    IMPORTING = "Importing"
    RETRY_SCHEDULED = "RetryScheduled"
    SUSPENDED = "Suspended"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    UNSCHEDULABLE = "Unschedulable"
    CONTAINER_CONFIG_INVALID = "ContainerConfigInvalid"
    JOB_REFUSED = "JobRefused"
    JOB_NAME_TAKEN = "JobNameTaken"
    POD_REFUSED = "PodRefused"
    OPERATOR_FAILED = "OperatorFailed"
    DELETING = "Deleting"
    # an Event's only: the resource is gone by then
    STORED_OBJECTS_ORPHANED = "StoredObjectsOrphaned"
    # an Event's only: it is about the store, not the import
    STORE_OVERWRITES = "StoreOverwrites"
    # the thumbnail's own
    THUMBNAIL_STORED = "ThumbnailStored"
    THUMBNAIL_FAILED = "ThumbnailFailed"
    NO_PICTURE = "NoPicture"

    @property
    def facts(self) -> Facts:
        """Return what is fixed about this reason."""
        return _FACTS[self]

    @property
    def retryable(self) -> bool:
        """Tell whether another attempt can follow."""
        return self.facts.retry is not Retry.NEVER


@dataclass(frozen=True)
class Facts:
    """`sentence` says what it means, `remedy` what a person can do; `exit_code` only where the importer says it."""

    sentence: str
    remedy: str
    retry: Retry = Retry.NEVER
    exit_code: ExitCode | None = None


_N, _C, _U = Retry.NEVER, Retry.COUNTED, Retry.UNCOUNTED
_X = ExitCode
_NOTHING = "Nothing."

_FACTS: dict[Reason, Facts] = {
    Reason.IMPORTED: Facts("The media is stored, with its sidecar.", _NOTHING, _N, _X.IMPORTED),
    Reason.SPEC_INVALID: Facts(
        "The spec asks for something that cannot be done.", "Create a new resource as the message says.", _N, _X.SPEC
    ),
    Reason.SOURCE_NOT_FOUND: Facts(
        "The source answered that there is nothing under this URL.", "Check the URL.", _N, _X.SOURCE_REFUSED
    ),
    Reason.SOURCE_EXPIRED: Facts(
        "The source's URL is no longer valid.",
        "Generate the media again.",
        _N,
        _X.SOURCE_REFUSED,
    ),
    Reason.SOURCE_UNAUTHORIZED: Facts(
        "The source wants credentials that it did not get.", "Use a signed URL.", _N, _X.SOURCE_REFUSED
    ),
    Reason.SOURCE_BLOCKED: Facts(
        "The source's address, port or redirect is not allowed.",
        "Use a public address, or allow its range in the chart's source settings.",
        _N,
        _X.SOURCE_REFUSED,
    ),
    Reason.SOURCE_TOO_LARGE: Facts(
        "The source is larger than the limit.", "Raise limits.maxSizeBytes in a new resource.", _N, _X.SOURCE_REFUSED
    ),
    Reason.NOT_MEDIA: Facts(
        "The bytes are no video, image or audio.", "Look at what the URL serves; it may be an error page.", _N, _X.MEDIA
    ),
    Reason.UNSUPPORTED_FORMAT: Facts(
        "The bytes are media of a kind that is not taken.", "Convert it to a common format.", _N, _X.MEDIA
    ),
    Reason.PIXEL_LIMIT_EXCEEDED: Facts(
        "A picture has more pixels than are safe to decode.", "Use a smaller picture.", _N, _X.MEDIA
    ),
    Reason.PROBE_FAILED: Facts(
        "ffprobe could not read the media, or did not come to an end.",
        "Check the file for damage.",
        _N,
        _X.MEDIA,
    ),
    Reason.TYPE_MISMATCH: Facts(
        "The media is of another type than spec.type says.",
        "Correct spec.type in a new resource, or leave it auto.",
        _N,
        _X.MEDIA,
    ),
    Reason.CHECKSUM_MISMATCH: Facts(
        "The SHA-256 is not the expected one.", "Check expected.sha256 and the source.", _N, _X.EXPECTED
    ),
    Reason.SIZE_MISMATCH: Facts(
        "The size is not the expected one.", "Check expected.sizeBytes and the source.", _N, _X.EXPECTED
    ),
    Reason.STORE_DENIED: Facts(
        "The store refused to write.", "Check the S3 access key, its secret and its policy.", _N, _X.STORE_REFUSED
    ),
    Reason.STORE_MISSING: Facts(
        "The bucket does not exist.",
        "Create it, or correct the bucket's name, region and endpoint.",
        _N,
        _X.STORE_REFUSED,
    ),
    Reason.ASSET_TAKEN: Facts(
        "Another resource's asset is stored under this user and asset id.",
        "Use another assetId.",
        _N,
        _X.STORE_REFUSED,
    ),
    Reason.ASSET_DELETED: Facts(
        "The asset under this user and asset id was deleted; what was deleted does not come back.",
        "Use another assetId; or delete the asset.json that says so.",
        _N,
        _X.STORE_REFUSED,
    ),
    Reason.SCRATCH_EXCEEDED: Facts(
        "The media does not fit into the importer's scratch space.",
        "Raise the importer's scratch size in the chart.",
        _N,
        _X.SCRATCH,
    ),
    Reason.SOURCE_UNAVAILABLE: Facts(
        "The source did not answer, or answered that it cannot now.",
        "Nothing: it is tried again.",
        _C,
        _X.SOURCE_UNAVAILABLE,
    ),
    Reason.TRUNCATED: Facts(
        "The source ended before the media did.", "Nothing: it is tried again.", _C, _X.SOURCE_UNAVAILABLE
    ),
    Reason.STORE_UNAVAILABLE: Facts(
        "The store did not answer, or answered that it cannot now.",
        "Nothing: it is tried again.",
        _C,
        _X.STORE_UNAVAILABLE,
    ),
    Reason.INTERRUPTED: Facts("The importer was told to stop.", "Nothing: it is tried again.", _U, _X.INTERRUPTED),
    Reason.UNEXPECTED: Facts(
        "The importer ended in a way that it should not.",
        "Read the attempt's log tail, and report it.",
        _C,
        _X.UNEXPECTED,
    ),
    Reason.OUT_OF_MEMORY: Facts(
        "The importer was killed for its memory.",
        "Nothing the first time: it is tried once with more memory.",
        Retry.MORE_MEMORY,
    ),
    Reason.DISRUPTED: Facts(
        "The pod was removed from outside: a drain, an eviction, a deletion.", "Nothing: it is tried again.", _U
    ),
    Reason.DEADLINE_EXCEEDED: Facts(
        "The attempt took longer than its deadline.", "Raise limits.deadlineSeconds in a new resource.", _C
    ),
    Reason.RESULT_LOST: Facts(
        "The attempt ended well, but its result did not arrive.",
        "Nothing: one more attempt reads it from what is stored.",
        _U,
    ),
    Reason.QUEUED: Facts("The import waits for a slot.", "Nothing, or raise the operator's cap.", _C),
    Reason.STARTING: Facts("The Job is created; its pod does not run yet.", _NOTHING, _C),
    Reason.IMPORTING: Facts("The importer is at work.", _NOTHING, _C),
    Reason.RETRY_SCHEDULED: Facts("The last attempt failed; the next one has its time.", _NOTHING, _C),
    Reason.SUSPENDED: Facts("spec.suspend is true.", "Set it to false.", _C),
    Reason.IMAGE_PULL_FAILED: Facts(
        "The node cannot pull the importer's image.", "Check the image's name and its pull secret.", _C
    ),
    Reason.UNSCHEDULABLE: Facts("No node has room for the importer's pod.", "Add room, or lower its requests.", _C),
    Reason.CONTAINER_CONFIG_INVALID: Facts(
        "The kubelet cannot make the container.", "Check that the Secrets and ConfigMaps that it names exist.", _C
    ),
    Reason.JOB_REFUSED: Facts(
        "The API server refused the Job.", "Check quota, admission policies and the operator's role.", _C
    ),
    Reason.JOB_NAME_TAKEN: Facts(
        "A Job of this import's name belongs to something else.", "Delete or rename that Job.", _C
    ),
    Reason.POD_REFUSED: Facts(
        "The Job is there, but the API server refuses its pod.",
        "Check quota, admission policies and the importer's service account: the pod is tried again.",
        _C,
    ),
    Reason.OPERATOR_FAILED: Facts(
        "The operator itself failed at this import.", "Read the operator's log, and report it: it tries again.", _C
    ),
    Reason.DELETING: Facts(
        "The resource is being deleted, and its stored objects with it.",
        "Nothing; after ten minutes in vain the resource goes and the objects stay.",
        _C,
    ),
    Reason.STORED_OBJECTS_ORPHANED: Facts(
        "The resource was deleted, but its stored objects could not be.",
        "Delete them by hand: the message names their prefix.",
    ),
    Reason.STORE_OVERWRITES: Facts(
        "The store does not honour conditional writes: two importers of one asset could overwrite each other.",
        "Use a store that honours If-None-Match, or set s3.conditionalWrites to false and accept the risk.",
    ),
    Reason.THUMBNAIL_STORED: Facts("The thumbnail is stored.", _NOTHING),
    Reason.THUMBNAIL_FAILED: Facts(
        "No thumbnail could be made; the media itself is stored.", "Look at the media: its first frame may be damaged."
    ),
    Reason.NO_PICTURE: Facts("The media has no picture to make a thumbnail of.", _NOTHING),
}
