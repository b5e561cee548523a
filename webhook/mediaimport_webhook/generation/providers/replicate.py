"""Adapter of Replicate: https://replicate.com/docs/reference/http."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from mediaimport_runtime.environment import BadSettingError

from mediaimport_webhook.generation import recipe, signatures
from mediaimport_webhook.generation.aliases import ModelAlias, read_models_file
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome, PredictionPage, deep_json, fields
from mediaimport_webhook.generation.providers.answers import Api
from mediaimport_webhook.generation.providers.fetched_secret import FetchedSecret
from mediaimport_webhook.generation.recipe import Recipe
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pydantic import JsonValue

    from mediaimport_webhook.generation.providers.answers import Answer
    from mediaimport_webhook.settings import Settings

_NAME = "replicate"
_FAILED = frozenset({"failed", "canceled", "aborted"})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_WAIT_S = 10
"""After a 429 that names no time."""
_MAX_WAIT_S = 3600
_MAX_ERROR = 512
_MAX_STATE = 64
_MAX_URL = 16 * 1024
"""Of a callback; an owner token with all tags that are allowed has less than half of it."""
_FILES_LIFETIME = timedelta(hours=1)
"""Of predictions made by API: Replicate deletes them with their files."""


def http_client() -> httpx.AsyncClient:
    """Return a client that follows no redirect, so that the token goes to no other host."""
    return httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=True)


class _BodyCheck:
    """Check of a large callback with the secrets that are known when it begins."""

    def __init__(self, headers: Mapping[str, str], secrets: Sequence[str], fetched: FetchedSecret | None) -> None:
        """Take the secrets, and where a newer one is, if they are fetched."""
        self._signature = signatures.PassingSignature(headers, secrets)
        self._secrets = secrets
        self._fetched = fetched

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._signature.update(piece)

    async def verify(self) -> None:
        """Raise a 401 Problem without a right signature; 503 if the secret is another by now: the body has passed."""
        if self._signature.matches():
            return
        if self._fetched is not None and await self._fetched.fresh() not in self._secrets:
            raise problems.unavailable("Replicate's former webhook secret")
        raise signatures.refused("no signature matches")


class Replicate:
    """Adapter. Without configured secrets the signing secret is fetched, and again when no signature matches."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read the models file; BadSettingError if it or a secret is wrong."""
        self._token = settings.replicate_api_token
        self._base_url = settings.replicate_base_url
        self._host = urlsplit(settings.replicate_base_url).netloc
        self._secrets = _usable(settings.replicate_webhook_secrets)
        models_file = settings.replicate_models_file
        self._models = None if models_file is None else read_models_file(models_file)
        self._api = Api("Replicate", http)
        self._limit_bytes = settings.large_callback_max_bytes
        self._clock = clock
        self._fetched_secret = FetchedSecret(self._fetch_secret, clock)

    @property
    def name(self) -> str:
        """Return `replicate`."""
        return _NAME

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raise a 401 Problem unless the headers of a signature are there, and at most 300 s old.

        Without a way to a secret, no signature could be right: that is a 503 Problem with the missing setting.
        """
        if not self._secrets and self._token is None:
            raise problems.setting_missing("REPLICATE_WEBHOOK_SECRETS")
        refusal = signatures.header_refusal(headers, self._clock())
        if refusal is not None:
            raise signatures.refused(refusal)

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise a 401 Problem unless signed with one of the secrets within 300 s; 503 if there is no secret."""
        self.check_headers(headers)
        now = self._clock()
        refusal = signatures.refusal(headers, body, await self._signing_secrets(), now)
        if refusal is not None and not self._secrets:
            refusal = signatures.refusal(headers, body, (await self._fetched_secret.fresh(),), now)
        if refusal is not None:
            raise signatures.refused(refusal)

    @property
    def callback_members(self) -> Collection[str]:
        """Return the fields of a prediction that tell how it ended, and its owner."""
        return ("id", "status", "error", "created_at", "completed_at", "webhook")

    async def body_check(self, headers: Mapping[str, str]) -> _BodyCheck:
        """Return the check of a callback that is too large to be held; 401 and 503 Problems as of `verify`."""
        self.check_headers(headers)
        return _BodyCheck(headers, await self._signing_secrets(), None if self._secrets else self._fetched_secret)

    async def parse(self, body: bytes) -> Prediction:
        """Return the prediction; a 400 Problem if the body has none."""
        return _prediction(deep_json.parse_object(body))

    async def complete(self, prediction: Prediction, _: Mapping[str, str]) -> Prediction:
        """Return the prediction: Replicate's callbacks leave nothing out."""
        return prediction

    async def read_again(self, prediction: Prediction, _: Mapping[str, str]) -> Prediction:
        """Return the prediction as Replicate has it; a Problem while it has none, or one that still runs."""
        found = await self.fetch_state(prediction.id)
        if found is None:
            detail = (
                "Replicate has no such prediction for the token of this service; check that REPLICATE_API_TOKEN is of"
                " the account that sends the callbacks."
            )
            raise problems.result_missing(detail, setting="REPLICATE_API_TOKEN")
        if found.outcome is PredictionOutcome.RUNNING:
            raise problems.unavailable("Replicate's newest state")
        return replace(found, callback_url=found.callback_url or prediction.callback_url)

    async def fetch_state(self, prediction: str) -> Prediction | None:
        """Return the prediction as Replicate has it now, None an hour or so after it ended."""
        if _ID.fullmatch(prediction) is None:
            return None
        response = await self._send("GET", f"/v1/predictions/{prediction}", limit_bytes=self._limit_bytes)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return _answered(response)

    async def list_predictions(self, cursor: str = "") -> PredictionPage:
        """Return a page of the account's predictions, newest first; entries that are none are skipped."""
        content = _content(await self._send("GET", cursor or "/v1/predictions"))
        results = content.get("results")
        found = [_prediction_or_none(each) for each in results] if isinstance(results, list) else []
        return PredictionPage(tuple(each for each in found if each), self._cursor(content.get("next")))

    def _cursor(self, next_url: object) -> str | None:
        """Return the next page's path; None for a URL of another host, which would get the token."""
        if not isinstance(next_url, str) or not next_url.startswith(f"{self._base_url}/v1/predictions?"):
            return None
        return next_url.removeprefix(self._base_url)

    def auth_for(self, host: str) -> Mapping[str, str]:
        """Return the token for Replicate's own host, nothing for any other."""
        if self._token is None or host != self._host:
            return {}
        return {"Authorization": f"Bearer {self._token}"}

    @property
    def models(self) -> Mapping[str, ModelAlias]:
        """Return the configured aliases."""
        return self._models or {}

    def missing_settings(self) -> Sequence[str]:
        """Return the names of the missing settings that starting a prediction needs."""
        required = {"REPLICATE_API_TOKEN": self._token, "REPLICATE_MODELS_FILE": self._models}
        return [name for name, value in required.items() if value is None]

    async def create(self, alias: ModelAlias, model_input: dict[str, JsonValue], *, callback_url: str) -> Prediction:
        """Start a prediction that calls back at its end."""
        path = f"/v1/models/{alias.model}/predictions" if alias.version is None else "/v1/predictions"
        body: dict[str, Any] = {"input": model_input, "webhook": callback_url, "webhook_events_filter": ["completed"]}
        if alias.version is not None:
            body["version"] = alias.version
        return _answered(await self._send("POST", path, body))

    async def cancel(self, prediction: str) -> None:
        """Cancel a prediction."""
        await self._send("POST", f"/v1/predictions/{prediction}/cancel")

    async def _signing_secrets(self) -> tuple[str, ...]:
        if self._secrets:
            return self._secrets
        return (await self._fetched_secret.get(),)

    async def _fetch_secret(self) -> str:
        key = _content(await self._send("GET", "/v1/webhooks/default/secret")).get("key")
        if not isinstance(key, str) or not signatures.usable_secret(key):
            raise problems.unavailable("Replicate's webhook secret")
        return key

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, limit_bytes: int | None = None
    ) -> Answer:
        if self._token is None:
            raise problems.setting_missing("REPLICATE_API_TOKEN")
        url = self._base_url + path
        headers = self.auth_for(urlsplit(url).netloc)
        return await self._api.ask(method, url, limit_bytes=limit_bytes, json=body, headers=headers)


def _usable(secrets: tuple[str, ...]) -> tuple[str, ...]:
    if not all(signatures.usable_secret(each) for each in secrets):
        raise BadSettingError("REPLICATE_WEBHOOK_SECRETS has one that is not whsec_ and base64; copy it again")
    return secrets


def _content(response: Answer) -> dict[str, Any]:
    """Return the JSON of a successful response; the Problem for any other."""
    try:
        content = deep_json.parse(response.content)
    except ValueError:
        content = None
    if response.is_success and isinstance(content, dict):
        return content
    detail = content.get("detail") if isinstance(content, dict) else None
    raise _refusal(response, detail if isinstance(detail, str) else "")


def _refusal(response: Answer, reason: str) -> problems.Problem:
    because = f": {reason[:_MAX_ERROR]}" if reason else ""
    match response.status_code:
        case 400 | 422:
            return problems.Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "input-refused", f"Replicate refuses the input{because}"
            )
        case 401 | 403:
            detail = "Replicate refuses the token of this service; its operator should check REPLICATE_API_TOKEN."
            return problems.Problem(HTTPStatus.BAD_GATEWAY, "provider-refused", detail)
        case 429:
            headers = {"Retry-After": str(_wait_s(response))}
            detail = "Replicate accepts no more requests for now; try again later."
            return problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "provider-busy", detail, headers=headers)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return problems.unavailable("Replicate")
    detail = f"Replicate answers {response.status_code}{because}"
    if response.is_success:  # There may be a prediction, whose id cannot be read.
        return problems.Problem(HTTPStatus.BAD_GATEWAY, "provider-answer-unreadable", detail)
    return problems.Problem(HTTPStatus.BAD_GATEWAY, "provider-refused", detail)


def _wait_s(response: Answer) -> int:
    """Return the seconds that Replicate names."""
    text = response.headers.get("retry-after", response.headers.get("ratelimit-reset", ""))
    return min(int(text[:10]), _MAX_WAIT_S) if text.isdecimal() else _WAIT_S


def _prediction(content: dict[str, Any]) -> Prediction:
    """Return the prediction in Replicate's JSON. Only `id` and `status` are required."""
    prediction, state = content.get("id"), content.get("status")
    if not isinstance(prediction, str) or _ID.fullmatch(prediction) is None or not isinstance(state, str):
        raise problems.Problem(HTTPStatus.BAD_REQUEST, "not-a-prediction", "The body has no usable id and status.")
    return Prediction(
        provider=_NAME,
        id=prediction,
        state=fields.text(state, max_length=_MAX_STATE) or "",
        outcome=_outcome(state),
        model=fields.text(content.get("model"), max_length=256),
        version=fields.text(content.get("version"), max_length=128),
        created_at=fields.moment(content.get("created_at")),
        completed_at=fields.moment(content.get("completed_at")),
        output=content.get("output"),
        error=fields.text(content.get("error"), max_length=_MAX_ERROR),
        files_lifetime=_FILES_LIFETIME,
        recipe=_recipe(content),
        callback_url=fields.text(content.get("webhook"), max_length=_MAX_URL),
    )


def _recipe(content: dict[str, Any]) -> Recipe:
    """Return the recipe. The seed is the one that the model tells, or the one that it was given."""
    model_input = content.get("input")
    told = recipe.member(content.get("output"), "seed")
    return Recipe(
        input=model_input,
        metrics=content.get("metrics"),
        seed=recipe.seed_of(told, recipe.member(model_input, "seed"), recipe.logged_seed(content.get("logs"))),
        started_at=fields.moment(content.get("started_at")),
        is_partial=not {"input", "logs"} <= content.keys(),
    )


def _answered(response: Answer) -> Prediction:
    """Return the prediction that Replicate answers; a 502 Problem for a success that has none."""
    prediction = _prediction_or_none(_content(response))
    if prediction is None:
        detail = f"Replicate answers {response.status_code} without a usable id and status."
        raise problems.Problem(HTTPStatus.BAD_GATEWAY, "provider-answer-unreadable", detail)
    return prediction


def _prediction_or_none(content: object) -> Prediction | None:
    try:
        return _prediction(content) if isinstance(content, dict) else None
    except problems.Problem:
        return None


def _outcome(state: str) -> PredictionOutcome:
    if state == "succeeded":
        return PredictionOutcome.SUCCEEDED
    return PredictionOutcome.FAILED if state in _FAILED else PredictionOutcome.RUNNING
