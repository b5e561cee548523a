"""Base classes and value types of the resource."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MAX_REPAIRS = 20


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

    @classmethod
    def read(cls, raw: object) -> Self:
        """Return the value from what another release may have written; ValidationError if nothing of it can be read.

        What cannot be read is passed over: a member of a list and an optional field alone, a required field with the
        object that it belongs to. Longer texts and lists are cut.
        """
        for _ in range(_MAX_REPAIRS):
            try:
                return cls.model_validate(raw)
            except ValidationError as error:
                if not isinstance(raw, dict):
                    raise
                raw = _readable(raw, error.errors(include_url=False, include_input=False))
        return cls.model_validate(raw)


def _readable(raw: dict[str, Any], errors: list[ErrorDetails]) -> dict[str, Any]:
    """Return a copy without what these errors are about."""
    repaired = copy.deepcopy(raw)
    # Of one list, the last member goes first: the others keep their places.
    for each in sorted(errors, key=lambda each: [p if isinstance(p, int) else -1 for p in each["loc"]], reverse=True):
        place = each["loc"][:-1] if each["type"] == "missing" else each["loc"]
        _repair(repaired, place, most=each.get("ctx", {}).get("max_length"))
    return repaired


def _repair(raw: dict[str, Any], place: tuple[int | str, ...], *, most: int | None) -> None:
    """Cut what stands in that place to so many, else remove it."""
    if not place:
        raw.clear()
        return
    *path, last = place
    node: Any = raw
    try:
        for part in path:
            node = node[part]
        if most is not None and len(node[last]) > most:
            node[last] = node[last][:most]
        else:
            del node[last]
    except (KeyError, IndexError, TypeError):
        # An error of the same place has removed it.
        return


MIN_YEAR, MAX_YEAR = 1970, 9000
"""Times outside are refused: a program that adds a wait to one in 9999 fails, or takes one from the year 1."""


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
