"""Providers: the interface of a generator's adapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NoReturn, Protocol

from mediaimport_webhook.generation.recipe import Recipe
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from pydantic import JsonValue

    from mediaimport_webhook.generation.aliases import ModelAlias


class PredictionOutcome(Enum):
    """Outcome of a prediction, derived from the generator's own state."""

    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class Prediction:
    """Run of a model. `state` is the generator's own word; `files_lifetime` is None where files do not expire soon."""

    provider: str
    id: str
    state: str
    outcome: PredictionOutcome
    model: str | None = None
    version: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    output: JsonValue = None
    error: str | None = None
    files_lifetime: timedelta | None = None
    recipe: Recipe = field(default_factory=Recipe)
    callback_url: str | None = None
    """The URL that the generator calls back, where it says so; its query may hold the owner's token."""


@dataclass(frozen=True)
class PredictionPage:
    """Predictions, newest first; `next` is the cursor of the next page, None on the last one."""

    predictions: tuple[Prediction, ...]
    next: str | None


class BodyCheck(Protocol):
    """Check of the signature of a body that is not held, but passes by."""

    def update(self, piece: bytes) -> None:
        """Take the next piece."""

    async def verify(self) -> None:
        """Raise a 401 Problem unless all of it is signed by the generator; 503 if that cannot be told now."""


class Provider(Protocol):
    """Generator that sends callbacks."""

    @property
    def name(self) -> str:
        """Return its name in specs and paths."""

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raise a 401 Problem if the headers alone show that a callback is not signed, or too old."""

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise a 401 Problem unless the callback is signed by the generator; 503 if no key is available."""

    @property
    def callback_members(self) -> Collection[str]:
        """Return the names of those texts in a callback by which `parse` tells a prediction without its output."""

    async def body_check(self, headers: Mapping[str, str]) -> BodyCheck:
        """Return the check of a callback that is too large to be held; a Problem as `verify` without a body raises."""

    async def parse(self, body: bytes) -> Prediction:
        """Return the prediction in a verified callback; a 400 Problem if there is none."""

    async def complete(self, prediction: Prediction, parameters: Mapping[str, str]) -> Prediction:
        """Return the prediction with the output that its callback left out; `parameters` are the URL's query.

        The URL is not signed, so its parameters may only select what the generator itself is asked for.
        """

    async def read_again(self, prediction: Prediction, parameters: Mapping[str, str]) -> Prediction:
        """Return a prediction that succeeded as the generator's API has it, whole; a Problem if it does not tell.

        Its callback was too large to be held. The parameters are those of `complete`.
        """

    async def fetch_state(self, prediction: str) -> Prediction | None:
        """Return the prediction as the generator has it now, None if it is gone; a Problem without an answer."""

    def auth_for(self, host: str) -> Mapping[str, str]:
        """Return the credentials for a request to that host: none for a host that is not the generator's."""


class PredictionLister(Provider, Protocol):
    """Generator that lists its predictions, so that missed ones can be recovered."""

    async def list_predictions(self, cursor: str = "") -> PredictionPage:
        """Return a page of the account's predictions, newest first; entries that are none are skipped."""


class Generator(PredictionLister, Protocol):
    """Generator whose predictions callers start."""

    @property
    def models(self) -> Mapping[str, ModelAlias]:
        """Return the models by alias."""

    def missing_settings(self) -> Sequence[str]:
        """Return the names of the missing settings that starting a prediction needs."""

    async def create(self, alias: ModelAlias, model_input: dict[str, JsonValue], *, callback_url: str) -> Prediction:
        """Start a prediction that calls back at its end; a Problem if the generator refuses it."""

    async def cancel(self, prediction: str) -> None:
        """Cancel a prediction; a Problem if that fails."""


@dataclass(frozen=True)
class UnconfiguredProvider:
    """Adapter of a generator whose setting is missing: its route answers 503 and names the setting."""

    name: str
    setting: str

    def check_headers(self, _: Mapping[str, str]) -> NoReturn:
        """Raise the 503 Problem that names the setting."""
        raise problems.setting_missing(self.setting)

    async def verify(self, _: Mapping[str, str], __: bytes) -> NoReturn:
        """Raise the 503 Problem that names the setting."""
        raise problems.setting_missing(self.setting)

    @property
    def callback_members(self) -> Collection[str]:
        """Return nothing."""
        return ()

    async def body_check(self, _: Mapping[str, str]) -> NoReturn:
        """Raise the 503 Problem that names the setting."""
        raise problems.setting_missing(self.setting)

    async def read_again(self, prediction: Prediction, _: Mapping[str, str]) -> Prediction:
        """Return the prediction."""
        return prediction

    async def parse(self, _: bytes) -> NoReturn:
        """Raise the 503 Problem that names the setting."""
        raise problems.setting_missing(self.setting)

    async def complete(self, prediction: Prediction, _: Mapping[str, str]) -> Prediction:
        """Return the prediction."""
        return prediction

    async def fetch_state(self, _: str) -> None:
        """Return None."""

    def auth_for(self, _: str) -> Mapping[str, str]:
        """Return nothing."""
        return {}
