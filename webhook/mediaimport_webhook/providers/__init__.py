"""Generators: what the shim wants of each, whoever it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pydantic import JsonValue

_MAX_FILE_NAME = 255


class Outcome(Enum):
    """What a generator's own word for a prediction's state comes down to."""

    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class Output:
    """One media URL of a prediction's output, and the JSON Pointer to it."""

    pointer: str
    url: str

    @property
    def file_name(self) -> str:
        """Return the URL's last segment as a name for people; empty if there is none."""
        if self.url.startswith("data:"):
            return ""
        name = unquote(urlsplit(self.url).path.rpartition("/")[2])
        return "".join(each for each in name if each.isprintable())[:_MAX_FILE_NAME]


@dataclass(frozen=True)
class Prediction:
    """One run of a model. `state` is the generator's own word."""

    provider: str
    id: str
    state: str
    outcome: Outcome
    model: str | None = None
    version: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    output: JsonValue = None
    error: str | None = None


@dataclass(frozen=True)
class PredictionPage:
    """Some predictions, newest first; `next` is where to go on, None at the end."""

    predictions: tuple[Prediction, ...]
    next: str | None


class Provider(Protocol):
    """One generator."""

    @property
    def name(self) -> str:
        """Return the word by which specs know it."""

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise a 401 Problem unless the callback is genuine; 503 if that cannot be told."""

    async def parse(self, body: bytes) -> Prediction:
        """Return the prediction that a verified callback speaks of; a 400 Problem if it speaks of none."""

    async def fetch_state(self, prediction: str) -> Prediction | None:
        """Return the prediction as the generator has it now, None if it has it no more; a Problem if it cannot say."""

    def auth_for(self, host: str) -> Mapping[str, str]:
        """Return the headers that a request to that host may carry; none for any but the generator's own."""
