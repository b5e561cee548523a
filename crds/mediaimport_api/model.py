"""What every type of the resource has in common."""

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
        # A type is made ready at its first use: the importer has asked for the media before it needs most of them.
        defer_build=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return plain JSON data under the wire's names; what is absent stays absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Lenient(Model):
    """A value that others write too: fields of another version are passed over, not refused."""

    model_config = ConfigDict(extra="ignore")


def _whole_second_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    AwareDatetime, AfterValidator(_whole_second_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")
]
"""A moment in UTC, whole seconds, RFC 3339 on the wire: Kubernetes' own form."""

MAX_COUNT = 2**53 - 1
"""What every reader of JSON holds exactly."""
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
SHA256_PATTERN = r"^[0-9a-f]{64}$"
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN, description="SHA-256, 64 lower-case hex digits")]
Word = Annotated[str, Field(max_length=128)]
"""A short name that came out of a media file: bounded, since its author may be hostile."""
