"""Messages from importer to operator: the result in the termination message, the progress in log lines."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from mediaimport_api.model import Count, Lenient, Word
from mediaimport_api.reasons import Reason
from mediaimport_api.status import Asset, Media, MediaWarning, Message, Progress, Thumbnail

MAX_RESULT_BYTES = 4096
"""The kubelet's limit for a termination message; it cuts off the head of a longer one."""

MAX_LOG_LINE_BYTES = 8 * 1024


class ThumbnailOutcome(Lenient):
    """The outcome of the thumbnail; `thumbnail` is set exactly if the reason is ThumbnailStored."""

    reason: Literal[Reason.THUMBNAIL_STORED, Reason.THUMBNAIL_FAILED, Reason.NO_PICTURE]
    message: Message
    thumbnail: Thumbnail | None = None

    @model_validator(mode="after")
    def _thumbnail_iff_stored(self) -> ThumbnailOutcome:
        if (self.thumbnail is not None) != (self.reason is Reason.THUMBNAIL_STORED):
            raise ValueError("thumbnail must be set exactly if reason is ThumbnailStored")
        return self


class DescriptionOutcome(Lenient):
    """The outcome of the description; its reason is Described exactly if `media` has more than the first bytes show."""

    reason: Literal[
        Reason.DESCRIBED,
        Reason.NOTHING_TO_DESCRIBE,
        Reason.UNSUPPORTED_FORMAT,
        Reason.PIXEL_LIMIT_EXCEEDED,
        Reason.PROBE_FAILED,
        Reason.OUT_OF_MEMORY,
        Reason.UNEXPECTED,
    ]
    message: Message

    @property
    def described(self) -> bool:
        """Tell whether the media is described."""
        return self.reason is Reason.DESCRIBED


DESCRIBED = DescriptionOutcome(reason=Reason.DESCRIBED, message="status.media describes the media")


def recorded_description(recorded: DescriptionOutcome | None, media: Media) -> DescriptionOutcome:
    """Return the outcome as it was recorded; from the warnings where an older version recorded none."""
    if recorded is not None:
        return recorded
    if MediaWarning.DESCRIPTION_MISSING in (media.warnings or []):
        return DescriptionOutcome(reason=Reason.OUT_OF_MEMORY, message="the prober ran out of memory")
    return DESCRIBED


class Result(Lenient):
    """The result of one attempt: the imported asset, or the reason for the failure."""

    version: Literal[1] = 1
    reason: Reason
    message: Message
    http_status: Annotated[int, Field(ge=100, le=599)] | None = None
    retry_after_seconds: Annotated[Count, Field(le=86400)] | None = None
    asset: Asset | None = None
    media: Media | None = None
    thumbnail: ThumbnailOutcome | None = None
    description: DescriptionOutcome | None = None
    """None in the result of an older importer."""
    conditional_writes: bool | None = None
    """True if the store honours them; None if the task did not ask, or the test gave no result."""

    @model_validator(mode="after")
    def _whole_iff_imported(self) -> Result:
        parts = (self.asset is not None, self.media is not None, self.thumbnail is not None)
        if any(parts) != (self.reason is Reason.IMPORTED) or len(set(parts)) != 1:
            raise ValueError("asset, media and thumbnail must be set exactly if reason is Imported")
        if self.reason.facts.exit_code is None:
            raise ValueError(f"{self.reason} is not a reason of the importer")
        if self.asset is not None and not self.asset.kind.is_known:
            raise ValueError(f"{self.asset.kind} is not a kind of this release")
        return self

    def encode(self) -> bytes:
        """Return the termination message; ValueError if it is longer than MAX_RESULT_BYTES."""
        encoded = json.dumps(self.to_wire(), separators=(",", ":"), ensure_ascii=False).encode()
        if len(encoded) > MAX_RESULT_BYTES:
            raise ValueError(f"the result has {len(encoded)} bytes; a termination message holds {MAX_RESULT_BYTES}")
        return encoded

    @classmethod
    def decode(cls, message: str | bytes | None) -> Result | None:
        """Return the result in a termination message, None if it is invalid."""
        try:
            return cls.model_validate_json(message or b"")
        except ValidationError:
            return None


class LogLine(Lenient):
    """One line of the importer's log. `seq` grows by one, so that a reader that reconnects skips lines it has read."""

    ts: Annotated[str, Field(max_length=32)]
    level: Literal["debug", "info", "warning", "error"]
    msg: Annotated[str, Field(max_length=1024)]
    seq: Count
    progress: Progress | None = None
    bytes_per_second: Count | None = None
    reason: Reason | None = None
    step: Word | None = None
