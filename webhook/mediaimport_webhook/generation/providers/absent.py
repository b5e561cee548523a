"""A generator that nobody has set up: its door is there, and says what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mediaimport_webhook.http.problems import setting_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mediaimport_webhook.generation.providers import Prediction


@dataclass(frozen=True)
class Absent:
    """The adapter that takes nothing."""

    name: str
    setting: str

    async def verify(self, _: Mapping[str, str], __: bytes) -> NoReturn:
        """Raise the 503 Problem that names the setting."""
        raise setting_missing(self.setting)

    async def parse(self, _: bytes) -> NoReturn:
        """Raise the 503 Problem that names the setting."""
        raise setting_missing(self.setting)

    async def complete(self, prediction: Prediction, _: Mapping[str, str]) -> Prediction:
        """Return the prediction as it is."""
        return prediction

    async def fetch_state(self, _: str) -> None:
        """Return None: nobody can be asked."""

    def auth_for(self, _: str) -> Mapping[str, str]:
        """Return nothing."""
        return {}
