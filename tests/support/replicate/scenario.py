"""Scenario of a prediction, from the input's `stand_in` or from the model's name: `stand-in/html`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

OWNER = "stand-in"
FILE = "{file}"


class File(StrEnum):
    """File behind the output's URL."""

    VIDEO = "video"
    PICTURE = "picture"
    """A PNG of 1024 by 1024 pixels and about 200 KB."""
    TRUNCATED = "truncated"
    """The video's first half, as a whole response."""
    EMPTY = "empty"
    HTML = "html"
    MISSING = "missing"


class Scenario(BaseModel):
    """Behaviour of a prediction. The default succeeds with one video."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Literal["succeeded", "failed", "canceled"] = "succeeded"
    seconds: Annotated[float, Field(ge=0, description="of generating; default: the stand-in's setting")] | None = None
    output: JsonValue = FILE
    """The prediction's output; every string "{file}" in it becomes a URL of its own."""
    file: File = File.VIDEO
    size_bytes: Annotated[int, Field(ge=0, description="makes the video longer, with a box that players skip")] = 0
    bytes_per_second: Annotated[int, Field(ge=0, description="0: as fast as it goes")] = 0
    failures: Annotated[int, Field(ge=0, description="so many requests for the file are answered 503")] = 0
    cut_after_bytes: Annotated[int, Field(ge=0, description="the connection breaks there; 0: never")] = 0
    cuts: Annotated[int, Field(ge=0, description="so many times")] = 1
    bearer: Annotated[str, Field(description="the token that the file asks for; empty: none, as at Replicate")] = ""
    moved_to: Annotated[str, Field(description="the host that it redirects to, where no token may arrive")] = ""
    lifetime_seconds: (
        Annotated[float, Field(ge=0, description="of the output and its files; default: the stand-in's setting")] | None
    ) = None
    webhook: Annotated[bool, Field(description="false: the webhook is lost")] = True
    completed_seconds_ago: Annotated[float, Field(ge=0, description="dates the end back")] = 0


def scenario_of(*, model: str, given: dict[str, Any]) -> Scenario:
    """Return the scenario that an input or a model's name asks for; pydantic.ValidationError if it makes no sense."""
    if "stand_in" in given:
        return Scenario.model_validate(given["stand_in"])
    owner, _, name = model.partition("/")
    if owner != OWNER:
        return Scenario()
    if name in {"failed", "canceled"}:
        return Scenario.model_validate({"outcome": name})
    return Scenario.model_validate({"file": name})


def fill(output: JsonValue, *, url_of: str) -> JsonValue:
    """Return the output with a URL for each "{file}": `url_of` with its number in the place of "{}"."""
    count = 0

    def walk(node: JsonValue) -> JsonValue:
        nonlocal count
        if isinstance(node, dict):
            return {key: walk(each) for key, each in node.items()}
        if isinstance(node, list):
            return [walk(each) for each in node]
        if node != FILE:
            return node
        count += 1
        return url_of.format(count - 1)

    return walk(output)
