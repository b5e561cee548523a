"""A prediction, as Replicate's API shows it: https://replicate.com/docs/reference/http#predictions.get."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.replicate.scenario import Scenario, fill

if TYPE_CHECKING:
    from pydantic import JsonValue

TERMINAL = frozenset({"succeeded", "failed", "canceled", "aborted"})


def new_id() -> str:
    """Return 26 lower-case base-32 characters, as Replicate's ids are."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


@dataclass(frozen=True)
class Prediction:
    """Prediction with the scenario that it follows."""

    id: str
    model: str
    version: str
    input: dict[str, Any]
    scenario: Scenario
    created_at: datetime
    webhook: str | None = None
    webhook_events: frozenset[str] = frozenset({"start", "output", "logs", "completed"})
    status: str = "starting"
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: JsonValue = None
    error: str | None = None

    @property
    def finished(self) -> bool:
        """Tell whether nothing changes any more."""
        return self.status in TERMINAL

    def started(self, now: datetime) -> Prediction:
        """Return it running."""
        return replace(self, status="processing", started_at=now)

    def completed(self, now: datetime, *, public_url: str) -> Prediction:
        """Return it at the end that its scenario has."""
        completed_at = now - timedelta(seconds=self.scenario.completed_seconds_ago)
        done = replace(self, status=self.scenario.outcome, completed_at=completed_at)
        if done.status == "failed":
            return replace(done, error="Prediction failed: the scenario asked for it.")
        if done.status != "succeeded":
            return done
        return replace(done, output=fill(self.scenario.output, url_of=f"{public_url}/files/{self.id}/{{}}/output.mp4"))

    def canceled(self, now: datetime) -> Prediction:
        """Return it stopped; a finished one stays what it is."""
        return self if self.finished else replace(self, status="canceled", completed_at=now)

    def expired(self, now: datetime, *, lifetime_s: float) -> bool:
        """Tell whether its output and files are deleted by now."""
        own_s = self.scenario.lifetime_seconds
        lifetime = timedelta(seconds=lifetime_s if own_s is None else own_s)
        return self.completed_at is not None and now >= self.completed_at + lifetime

    def view(self, now: datetime, *, public_url: str, lifetime_s: float) -> dict[str, Any]:
        """Return the JSON that a GET and a webhook show."""
        removed = self.expired(now, lifetime_s=lifetime_s)
        api = f"{public_url}/v1/predictions/{self.id}"
        return {
            "id": self.id,
            "model": self.model,
            "version": self.version,
            "status": self.status,
            "input": {} if removed else self.input,
            "output": None if removed else self.output,
            "error": self.error,
            "logs": "" if removed else f"generating with {self.model}\n",
            "metrics": self._metrics(),
            "created_at": _text(self.created_at),
            "started_at": _text(self.started_at),
            "completed_at": _text(self.completed_at),
            "urls": {"get": api, "cancel": f"{api}/cancel", "web": f"{public_url}/p/{self.id}"},
            "data_removed": removed,
        } | self._webhook()

    def _webhook(self) -> dict[str, Any]:
        """Return the fields that a prediction without a webhook lacks."""
        if self.webhook is None:
            return {}
        return {"webhook": self.webhook, "webhook_events_filter": sorted(self.webhook_events)}

    def _metrics(self) -> dict[str, float]:
        if self.started_at is None or self.completed_at is None:
            return {}
        return {"predict_time": (self.completed_at - self.started_at).total_seconds()}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
