"""Generators: what the shim wants of each, whoever it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from pydantic import JsonValue

    from mediaimport_webhook.generation.aliases import ModelAlias

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
    """One run of a model. `state` is the generator's own word; `files_live` how long its files do, if not for long."""

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
    files_live: timedelta | None = None


@dataclass(frozen=True)
class PredictionPage:
    """Some predictions, newest first; `next` is where to go on, None at the end."""

    predictions: tuple[Prediction, ...]
    next: str | None


class Provider(Protocol):
    """One generator that calls back."""

    @property
    def name(self) -> str:
        """Return the word by which specs know it."""

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise a 401 Problem unless the callback is genuine; 503 if that cannot be told."""

    async def parse(self, body: bytes) -> Prediction:
        """Return the prediction that a verified callback speaks of; a 400 Problem if it speaks of none."""

    async def complete(self, prediction: Prediction, parameters: Mapping[str, str]) -> Prediction:
        """Return the prediction with what its callback left out; `parameters` are those of the webhook's URL.

        The URL is not signed: what it says may only lead to where the generator itself is asked.
        """

    async def fetch_state(self, prediction: str) -> Prediction | None:
        """Return the prediction as the generator has it now, None if it has it no more; a Problem if it cannot say."""

    def auth_for(self, host: str) -> Mapping[str, str]:
        """Return the headers that a request to that host may carry; none for any but the generator's own."""


class Lister(Provider, Protocol):
    """A generator that tells what it did of late: what its callbacks did not bring is found."""

    async def recent(self, place: str = "") -> PredictionPage:
        """Return a page of the account's predictions, newest first; what is no prediction is passed over."""


class Generator(Provider, Protocol):
    """A generator that is told what to make."""

    @property
    def models(self) -> Mapping[str, ModelAlias]:
        """Return what can be asked for, by alias."""

    def missing_settings(self) -> Sequence[str]:
        """Return the names of the settings without which it makes nothing."""

    async def create(self, alias: ModelAlias, model_input: dict[str, JsonValue], *, webhook: str) -> Prediction:
        """Start a prediction that calls `webhook` at its end; a Problem if it is refused."""

    async def cancel(self, prediction: str) -> None:
        """End a prediction that nobody would get; a Problem if that fails."""
