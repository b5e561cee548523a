"""Base classes and value types of the resource."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen value, camelCase on the wire; unknown fields are an error."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        # A validator is built at its first use: the importer sends its request before it needs most of them.
        defer_build=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return plain JSON data with camelCase names; None is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Lenient(Model):
    """A value that other versions write too: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")


MAX_YEAR = 9000
"""Times after it are refused: a program that adds a wait to one in 9999 fails."""


def _whole_second_utc(moment: datetime) -> datetime:
    try:
        utc = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        utc = datetime.max.replace(tzinfo=UTC)
    if utc.year > MAX_YEAR:
        raise ValueError(f"is not a time between the years 1 and {MAX_YEAR} in UTC")
    return utc


def _rfc3339(moment: datetime) -> str:
    # strftime writes the year 1 as "1".
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime, AfterValidator(_whole_second_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")
]
"""A time in UTC in whole seconds, RFC 3339 in JSON, as in Kubernetes."""

MAX_COUNT = 2**53 - 1
"""The largest integer that every JSON reader represents exactly."""
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
SHA256_PATTERN = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN, description="SHA-256, 64 lower-case hex digits")]
Word = Annotated[str, Field(max_length=128)]
"""A short name from a media file: of bounded length, since the file may be hostile."""
