"""Replicate: https://replicate.com/docs/reference/http."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from pydantic import AwareDatetime, JsonValue, TypeAdapter, ValidationError

from mediaimport_webhook.generation import signatures
from mediaimport_webhook.generation.providers import Outcome, Prediction, PredictionPage
from mediaimport_webhook.http import bodies
from mediaimport_webhook.http.problems import Problem, setting_missing, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mediaimport_webhook.generation.aliases import ModelAlias
    from mediaimport_webhook.settings import Settings

_NAME = "replicate"
_FAILED = frozenset({"failed", "canceled", "aborted"})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_MOMENT = TypeAdapter(AwareDatetime)
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_MAX_ERROR = 512
_FILES_LIVE = timedelta(hours=1)
"""Of predictions made by API; their output goes with them."""
_SECRET_HOLDS = timedelta(minutes=1)


def client() -> httpx.AsyncClient:
    """Return a client that follows no redirect: the token goes nowhere but where it is sent."""
    return httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=True)


@dataclass
class Replicate:
    """The adapter. If only the token is configured, the webhook's secret is asked for, and again when none matches."""

    settings: Settings
    http: httpx.AsyncClient
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    fetched_secret: str | None = None
    fetched_at: datetime | None = None

    @property
    def name(self) -> str:
        """Return `replicate`."""
        return _NAME

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise a 401 Problem unless signed with one of the secrets within 300 s; 503 if there is no secret."""
        now = self.clock()
        refusal = signatures.refusal(headers, body, await self._secrets(now), now)
        if refusal is not None and self._may_be_rotated(now):
            refusal = signatures.refusal(headers, body, (await self._fetch_secret(now),), now)
        if refusal is not None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "signature-refused", f"The signature is refused: {refusal}.")

    async def parse(self, body: bytes) -> Prediction:
        """Return the prediction; a 400 Problem if the body is none."""
        return _prediction(bodies.parse_object(body))

    async def complete(self, prediction: Prediction, _: Mapping[str, str]) -> Prediction:
        """Return the prediction: Replicate's callbacks are whole."""
        return prediction

    async def fetch_state(self, prediction: str) -> Prediction | None:
        """Return the prediction as Replicate has it now, None an hour or so after it ended."""
        if _ID.fullmatch(prediction) is None:
            return None
        answer = await self._send("GET", f"/v1/predictions/{prediction}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return _prediction(_content(answer))

    async def recent(self, place: str = "") -> PredictionPage:
        """Return a page of the account's predictions, newest first; what is no prediction is passed over."""
        content = _content(await self._send("GET", place or "/v1/predictions"))
        results = content.get("results")
        found = [_usable(each) for each in results] if isinstance(results, list) else []
        base, after = self.settings.replicate_base_url, content.get("next")
        here = isinstance(after, str) and after.startswith(f"{base}/v1/predictions?")
        return PredictionPage(tuple(each for each in found if each), str(after).removeprefix(base) if here else None)

    def auth_for(self, host: str) -> Mapping[str, str]:
        """Return the token for Replicate's own host, nothing for any other."""
        token = self.settings.replicate_api_token
        if token is None or host != urlsplit(self.settings.replicate_base_url).netloc:
            return {}
        return {"Authorization": f"Bearer {token}"}

    @property
    def models(self) -> Mapping[str, ModelAlias]:
        """Return the configured aliases."""
        return self.settings.replicate_models or {}

    def missing_settings(self) -> Sequence[str]:
        """Return what has to be set before a prediction can be started."""
        wanted = {
            "REPLICATE_API_TOKEN": self.settings.replicate_api_token,
            "REPLICATE_MODELS_FILE": self.settings.replicate_models,
        }
        return [name for name, value in wanted.items() if value is None]

    async def create(self, alias: ModelAlias, model_input: dict[str, JsonValue], *, webhook: str) -> Prediction:
        """Start a prediction that calls `webhook` at its end."""
        path = f"/v1/models/{alias.model}/predictions" if alias.version is None else "/v1/predictions"
        body: dict[str, Any] = {"input": model_input, "webhook": webhook, "webhook_events_filter": ["completed"]}
        if alias.version is not None:
            body["version"] = alias.version
        return _prediction(_content(await self._send("POST", path, body)))

    async def cancel(self, prediction: str) -> None:
        """End a prediction that nobody would get."""
        await self._send("POST", f"/v1/predictions/{prediction}/cancel")

    async def _secrets(self, now: datetime) -> tuple[str, ...]:
        if self.settings.replicate_webhook_secrets:
            return self.settings.replicate_webhook_secrets
        if self.settings.replicate_api_token is None:
            raise setting_missing("REPLICATE_WEBHOOK_SECRETS")
        return (self.fetched_secret or await self._fetch_secret(now),)

    def _may_be_rotated(self, now: datetime) -> bool:
        """Tell whether the fetched secret is old enough to ask again: no stranger makes us ask at every callback."""
        return self.fetched_at is not None and now - self.fetched_at > _SECRET_HOLDS

    async def _fetch_secret(self, now: datetime) -> str:
        key = _content(await self._send("GET", "/v1/webhooks/default/secret")).get("key")
        if not isinstance(key, str) or not signatures.usable_secret(key):
            raise unavailable("Replicate's webhook secret")
        self.fetched_secret, self.fetched_at = key, now
        return key

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        if self.settings.replicate_api_token is None:
            raise setting_missing("REPLICATE_API_TOKEN")
        url = self.settings.replicate_base_url + path
        try:
            return await self.http.request(method, url, json=body, headers=self.auth_for(urlsplit(url).netloc))
        except httpx.HTTPError:
            raise unavailable("Replicate") from None


def _content(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON of a good answer; what Replicate refuses becomes a Problem of ours."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if answer.is_success and isinstance(content, dict):
        return content
    said = content.get("detail") if isinstance(content, dict) else None
    raise _refusal(answer, said if isinstance(said, str) else "")


def _refusal(answer: httpx.Response, said: str) -> Problem:
    because = f": {said[:_MAX_ERROR]}" if said else ""
    match answer.status_code:
        case 400 | 422:
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "input-refused", f"Replicate refuses the input{because}")
        case 401 | 403:
            detail = "Replicate refuses our token; whoever runs this service should check REPLICATE_API_TOKEN."
            return Problem(HTTPStatus.BAD_GATEWAY, "provider-refused", detail)
        case 429:
            wait = answer.headers.get("retry-after", answer.headers.get("ratelimit-reset", ""))
            headers = {"Retry-After": wait if wait.isdecimal() else "10"}
            detail = "Replicate takes no more requests for now; try again later."
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, "provider-busy", detail, headers=headers)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return unavailable("Replicate")
    detail = f"Replicate answers {answer.status_code}{because}"
    return Problem(HTTPStatus.BAD_GATEWAY, "provider-refused", detail)


def _prediction(content: dict[str, Any]) -> Prediction:
    """Return the prediction in Replicate's JSON. Only `id` and `status` must be there."""
    prediction, state = content.get("id"), content.get("status")
    if not isinstance(prediction, str) or _ID.fullmatch(prediction) is None or not isinstance(state, str):
        raise Problem(HTTPStatus.BAD_REQUEST, "not-a-prediction", "The body has no usable id and status.")
    return Prediction(
        provider=_NAME,
        id=prediction,
        state=state[:64],
        outcome=_outcome(state),
        model=_text(content.get("model"), longest=256),
        version=_text(content.get("version"), longest=128),
        created_at=_moment(content.get("created_at")),
        completed_at=_moment(content.get("completed_at")),
        output=content.get("output"),
        error=_text(content.get("error"), longest=_MAX_ERROR),
        files_live=_FILES_LIVE,
    )


def _usable(content: object) -> Prediction | None:
    try:
        return _prediction(content) if isinstance(content, dict) else None
    except Problem:
        return None


def _outcome(state: str) -> Outcome:
    if state == "succeeded":
        return Outcome.SUCCEEDED
    return Outcome.FAILED if state in _FAILED else Outcome.RUNNING


def _text(value: object, *, longest: int) -> str | None:
    return value[:longest] if isinstance(value, str) and value else None


def _moment(value: object) -> datetime | None:
    try:
        return _MOMENT.validate_python(value)
    except ValidationError:
        return None
