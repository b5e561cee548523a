"""Reasons for the state of an import: one enum for conditions, Events, exit codes and docs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, IntEnum, auto

from mediaimport_api.open_enum import OpenEnum

MAX_MESSAGE = 512
"""Characters of the message that goes with a reason."""


class Retry(Enum):
    """The operator's reaction to an attempt that ended with a reason."""

    NEVER = auto()
    COUNTED = auto()
    UNCOUNTED = auto()
    """Retries that do not count against `limits.attempts`: at least MAX_UNCOUNTED, and as long as UNTIL_EXPIRY."""
    MORE_MEMORY = auto()
    """One retry, with more memory."""
    UNTIL_EXPIRY = auto()
    """Retries with growing waits until `spec.source.expiresAt`, or for MAX_PATIENCE without it.

    The cause is neither in the spec nor in the media: a key that is being rotated, for example.
    """


MAX_UNCOUNTED = 5
MAX_PATIENCE = timedelta(days=1)


class ExitCode(IntEnum):
    """Exit codes of the importer, one for each group of reasons; the result has the reason itself."""

    IMPORTED = 0
    SPEC = 10
    SOURCE_REFUSED = 11
    MEDIA = 12
    EXPECTED = 13
    STORE_REFUSED = 14
    SCRATCH = 15
    SOURCE_UNAVAILABLE = 20
    STORE_UNAVAILABLE = 21
    DISK_FULL = 22
    CORRUPTED = 23
    OUT_OF_MEMORY = 24
    SETTINGS = 25
    INTERRUPTED = 30
    UNEXPECTED = 1


class Reason(OpenEnum):
    """The reasons, a closed set for writers. `facts` has meaning, remedy, retry and exit code of each."""

    # the end of an attempt, reported by the importer
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
    SETTINGS_INVALID = "SettingsInvalid"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    TRUNCATED = "Truncated"
    STORE_UNAVAILABLE = "StoreUnavailable"
    DISK_FULL = "DiskFull"
    CORRUPTED = "Corrupted"
    INTERRUPTED = "Interrupted"
    UNEXPECTED = "Unexpected"
    # the end of an attempt, reported by the importer of its prober, or read from the pod's status
    OUT_OF_MEMORY = "OutOfMemory"
    # the end of an attempt, read from the pod's status
    DISRUPTED = "Disrupted"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    RESULT_LOST = "ResultLost"
    # the states before the end
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
    CREDENTIALS_REFUSED = "CredentialsRefused"
    CREDENTIALS_UNAVAILABLE = "CredentialsUnavailable"
    OPERATOR_FAILED = "OperatorFailed"
    DELETING = "Deleting"
    # only in an Event: the resource is deleted by then
    STORED_OBJECTS_ORPHANED = "StoredObjectsOrphaned"
    # only in an Event: it concerns the store, not one import
    STORE_OVERWRITES = "StoreOverwrites"
    # only in an Event: it concerns the operator
    NAMESPACE_UNAVAILABLE = "NamespaceUnavailable"
    # of the description; those of the end of an attempt, too
    DESCRIBED = "Described"
    NOTHING_TO_DESCRIBE = "NothingToDescribe"
    # of the thumbnail
    THUMBNAIL_STORED = "ThumbnailStored"
    THUMBNAIL_FAILED = "ThumbnailFailed"
    NO_PICTURE = "NoPicture"
    # of the notification of endpoints
    NOTIFIED = "Notified"
    NOTIFICATION_PENDING = "NotificationPending"
    NOTIFICATION_GIVEN_UP = "NotificationGivenUp"
    # of the catalogue's database
    RECORDED = "Recorded"
    RECORDING_PENDING = "RecordingPending"

    @property
    def facts(self) -> Facts:
        """Return the meaning, the remedy, the retry and the exit code."""
        return _FACTS.get(self, _UNKNOWN)

    @property
    def retryable(self) -> bool:
        """Tell whether another attempt can follow."""
        return self.facts.retry is not Retry.NEVER


@dataclass(frozen=True)
class Facts:
    """`sentence` is the meaning, `remedy` is for people; `exit_code` is set for reasons of the importer."""

    sentence: str
    remedy: str
    retry: Retry = Retry.NEVER
    exit_code: ExitCode | None = None


_N, _C, _U, _E = Retry.NEVER, Retry.COUNTED, Retry.UNCOUNTED, Retry.UNTIL_EXPIRY
_X = ExitCode
_NOTHING = "Nothing."

_UNKNOWN = Facts("Another release has written this reason.", "Read its references.", _C)
_FACTS: dict[Reason, Facts] = {
    Reason.IMPORTED: Facts("The media is stored, with its sidecar.", _NOTHING, _N, _X.IMPORTED),
    Reason.SPEC_INVALID: Facts(
        "The spec is invalid, or asks for something impossible.",
        "Create a new resource as the message says.",
        _N,
        _X.SPEC,
    ),
    Reason.SOURCE_NOT_FOUND: Facts("The source has nothing under this URL.", "Check the URL.", _N, _X.SOURCE_REFUSED),
    Reason.SOURCE_EXPIRED: Facts(
        "The source's URL has expired.",
        "Generate the media again.",
        _N,
        _X.SOURCE_REFUSED,
    ),
    Reason.SOURCE_UNAUTHORIZED: Facts(
        "The source requires credentials.", "Use a signed URL or source.headersSecretRef.", _N, _X.SOURCE_REFUSED
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
        "The source served nothing, an error page or an error document; or what is no media, and spec.undescribed is"
        " Refuse.",
        "Check what the URL serves; it may be an error page.",
        _N,
        _X.MEDIA,
    ),
    Reason.UNSUPPORTED_FORMAT: Facts(
        "The media has a format that is stored without description; an import fails with it only if spec.undescribed is"
        " Refuse.",
        "Nothing, or convert it to a common format.",
        _N,
        _X.MEDIA,
    ),
    Reason.PIXEL_LIMIT_EXCEEDED: Facts(
        "A picture has more pixels than are safe to decode; an import fails with it only if spec.undescribed is"
        " Refuse.",
        "Nothing, or use a smaller picture.",
        _N,
        _X.MEDIA,
    ),
    Reason.PROBE_FAILED: Facts(
        "ffprobe could not read the media, or did not finish in time; an import fails with it only if spec.undescribed"
        " is Refuse.",
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
        "The store refuses the request.",
        "Do what the message says: to the S3 access key, its secret, its policy or the store's settings. The operator"
        " retries.",
        _E,
        _X.STORE_REFUSED,
    ),
    Reason.STORE_MISSING: Facts(
        "The bucket does not exist, or is in another region.",
        "Create it, or correct the bucket's name, region and endpoint. The operator retries.",
        _E,
        _X.STORE_REFUSED,
    ),
    Reason.ASSET_TAKEN: Facts(
        "An asset of another resource is stored under this user and asset id.",
        "Use another assetId.",
        _N,
        _X.STORE_REFUSED,
    ),
    Reason.ASSET_DELETED: Facts(
        "The asset under this user and asset id was deleted, and a deleted asset is not imported again.",
        "Use another assetId, or delete the tombstone, asset.json.",
        _N,
        _X.STORE_REFUSED,
    ),
    Reason.SCRATCH_EXCEEDED: Facts(
        "The media does not fit into the importer's scratch space.",
        "Raise the importer's scratch size in the chart.",
        _N,
        _X.SCRATCH,
    ),
    Reason.SETTINGS_INVALID: Facts(
        "A setting of the importer is missing or invalid: half a key while its Secret is being rotated, for example.",
        "Correct what the message names, in the chart's values or in the Secret. The operator retries.",
        _E,
        _X.SETTINGS,
    ),
    Reason.SOURCE_UNAVAILABLE: Facts(
        "The source did not answer, or is temporarily unavailable.",
        "Nothing: the operator retries.",
        _C,
        _X.SOURCE_UNAVAILABLE,
    ),
    Reason.TRUNCATED: Facts(
        "The media is incomplete: the source ended too early.",
        "Nothing: the operator retries.",
        _C,
        _X.SOURCE_UNAVAILABLE,
    ),
    Reason.STORE_UNAVAILABLE: Facts(
        "The store did not answer, or is temporarily unavailable.",
        "Nothing: the operator retries.",
        _E,
        _X.STORE_UNAVAILABLE,
    ),
    Reason.DISK_FULL: Facts(
        "The node's disk is full.",
        "Free the node's disk. The operator retries, on another node if the scheduler chooses one.",
        _E,
        _X.DISK_FULL,
    ),
    Reason.CORRUPTED: Facts(
        "Bytes changed between the source and the store.",
        "Nothing: the operator retries. If it happens again, check the node's memory and disk.",
        _C,
        _X.CORRUPTED,
    ),
    Reason.INTERRUPTED: Facts(
        "The importer was stopped (SIGTERM).", "Nothing: the operator retries.", _U, _X.INTERRUPTED
    ),
    Reason.UNEXPECTED: Facts(
        "The importer ended with an unexpected error.",
        "Read the attempt's log tail, and report it.",
        _C,
        _X.UNEXPECTED,
    ),
    Reason.OUT_OF_MEMORY: Facts(
        "The importer or its prober ran out of memory.",
        "Nothing the first time: the operator retries once with twice the memory. Then raise"
        " importer.resources.limits.memory in the chart; media that the prober cannot read even so is stored without"
        " description.",
        Retry.MORE_MEMORY,
        _X.OUT_OF_MEMORY,
    ),
    Reason.DISRUPTED: Facts(
        "The pod was removed by a drain, an eviction or a deletion.", "Nothing: the operator retries.", _U
    ),
    Reason.DEADLINE_EXCEEDED: Facts(
        "The attempt exceeded its deadline.", "Raise limits.deadlineSeconds in a new resource.", _C
    ),
    Reason.RESULT_LOST: Facts(
        "The attempt succeeded, but its result was lost.",
        "Nothing: one more attempt reads it from the stored sidecar.",
        _U,
    ),
    Reason.QUEUED: Facts("The import waits for a slot.", "Nothing, or raise the operator's limit.", _C),
    Reason.STARTING: Facts("The Job exists; its pod does not run yet.", _NOTHING, _E),
    Reason.IMPORTING: Facts("The importer is running.", _NOTHING, _C),
    Reason.RETRY_SCHEDULED: Facts("The last attempt failed; the next one is scheduled.", _NOTHING, _C),
    Reason.SUSPENDED: Facts("spec.suspend is true.", "Set spec.suspend to false.", _C),
    Reason.IMAGE_PULL_FAILED: Facts(
        "The node cannot pull the importer's image.", "Check the image's name and its pull secret.", _E
    ),
    Reason.UNSCHEDULABLE: Facts("No node has room for the importer's pod.", "Add room, or lower its requests.", _E),
    Reason.CONTAINER_CONFIG_INVALID: Facts(
        "The kubelet cannot create or start the container.",
        "Check that its Secrets and ConfigMaps exist, and that the image has its command.",
        _E,
    ),
    Reason.JOB_REFUSED: Facts(
        "The API server refused the Job.", "Check quota, admission policies and the operator's role.", _C
    ),
    Reason.JOB_NAME_TAKEN: Facts(
        "A Job with the name of this import's Job has another owner.", "Delete or rename that Job.", _C
    ),
    Reason.POD_REFUSED: Facts(
        "The Job exists, but the API server refuses its pod.",
        "Check quota, admission policies and the importer's service account. The Job controller retries.",
        _E,
    ),
    Reason.CREDENTIALS_REFUSED: Facts(
        "STS refuses temporary credentials for the attempt.",
        "Do what the message says: to the role, the operator's own keys or the deadline. STS is asked again.",
        _E,
    ),
    Reason.CREDENTIALS_UNAVAILABLE: Facts(
        "STS does not answer, or answers that it cannot now.", "Nothing: it is asked again.", _E
    ),
    Reason.OPERATOR_FAILED: Facts(
        "The operator failed to reconcile this import.",
        "Read the operator's log, and report it. The operator retries ten times.",
        _C,
    ),
    Reason.DELETING: Facts(
        "The resource and its stored objects are being deleted.",
        "Nothing. After ten minutes without success the resource is removed and the objects stay.",
        _C,
    ),
    Reason.STORED_OBJECTS_ORPHANED: Facts(
        "The resource was deleted, but its stored objects were not.",
        "Delete them in the store: the message has their prefix.",
    ),
    Reason.STORE_OVERWRITES: Facts(
        "The store does not honour conditional writes: two importers of one asset could overwrite each other.",
        "Use a store that honours If-None-Match, or set s3.conditionalWrites to false and accept the risk.",
    ),
    Reason.NAMESPACE_UNAVAILABLE: Facts(
        "The operator cannot list a namespace that it watches.",
        "Check that the namespace has the chart's Role and RoleBinding, or remove it from watchNamespaces.",
    ),
    Reason.DESCRIBED: Facts("status.media describes the media.", _NOTHING),
    Reason.NOTHING_TO_DESCRIBE: Facts(
        "The file has neither pictures nor sound: its kind, content type, size and checksum say all.", _NOTHING
    ),
    Reason.THUMBNAIL_STORED: Facts("The thumbnail is stored.", _NOTHING),
    Reason.THUMBNAIL_FAILED: Facts(
        "No thumbnail could be rendered; the media itself is stored.",
        "Check the media: its first frame may be damaged.",
    ),
    Reason.NO_PICTURE: Facts("The media has no picture for a thumbnail.", _NOTHING),
    Reason.NOTIFIED: Facts("All endpoints have accepted the event.", _NOTHING),
    Reason.NOTIFICATION_PENDING: Facts(
        "An endpoint has not accepted the event yet; it is tried again for a day.",
        "Check the endpoint if it stays so: the operator's log has its answers.",
    ),
    Reason.NOTIFICATION_GIVEN_UP: Facts(
        "An endpoint was not told: it has not accepted the event for a day, or it is gone (410).",
        "Check the endpoint, and read the state of the assets by the API: the event is not repeated.",
    ),
    Reason.RECORDED: Facts("The catalogue's database has the ended import.", _NOTHING),
    Reason.RECORDING_PENDING: Facts(
        "The catalogue's database does not have the ended import yet; the resource is not removed before.",
        "Check the webhook and its database if it stays so: the webhook's log has the database's answers.",
    ),
}
