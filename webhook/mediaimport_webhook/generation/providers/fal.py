"""Adapter of fal.ai, for callbacks alone, signed with ED25519.

https://docs.fal.ai/model-apis/model-endpoints/webhooks.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mediaimport_webhook.access.jwks import KeySet
from mediaimport_webhook.generation import recipe, signatures
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome, deep_json, fields
from mediaimport_webhook.generation.providers.answers import Api
from mediaimport_webhook.generation.recipe import Recipe
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    import httpx
    from jwt import PyJWK
    from pydantic import JsonValue

    from mediaimport_webhook.settings import Settings

_NAME = "fal"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}")
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")
_MODEL = re.compile(
    r"(?P<app>((workflows|comfy)/)?[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(/[A-Za-z0-9][\w.-]*)*", re.ASCII
)
"""Model's name. Its requests are below `app`; a sub-path such as `/dev` only chooses an endpoint of it."""
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Answers of the queue to a request that it does not have, or that has no result."""
_RETRY_AFTER_S = 30
_MAX_ERROR = 512
_PROMPTS = ("prompt", "negative_prompt", "actual_prompt", "expanded_prompt", "revised_prompt")
_TIMEOUT_S = 10.0


class _BodyCheck:
    """Check of a large callback: the signature is over the body's SHA-256."""

    def __init__(self, fal: Fal, headers: Mapping[str, str]) -> None:
        self._fal = fal
        self._headers = headers
        self._digest = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self._digest.update(piece)

    async def verify(self) -> None:
        """Raise a 401 Problem unless fal.ai has signed all of it; 503 if no key is available."""
        await self._fal.verify_digest(self._headers, self._digest.hexdigest())


class Fal:
    """Adapter. fal signs for all its customers with the same keys, so callbacks of other accounts are refused."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        *,
        user_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._user_id = user_id
        self._key = settings.fal_key
        self._queue_url = settings.fal_queue_url
        self._api = Api("fal.ai", http)
        self._limit_bytes = settings.large_callback_max_bytes
        self._clock = clock

        async def locate() -> str:
            return settings.fal_jwks_url

        self._keys = KeySet(http, locate, publisher="fal.ai")

    @property
    def name(self) -> str:
        """Return `fal`."""
        return _NAME

    def check_headers(self, headers: Mapping[str, str]) -> None:
        """Raise a 401 Problem unless the headers of a signature for our account are there, and at most 300 s old."""
        refusal = _refusal(headers, self._user_id, self._clock())
        if refusal is not None:
            raise signatures.refused(refusal)

    async def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise a 401 Problem unless signed for our account within 300 s; 503 if no key is available."""
        await self.verify_digest(headers, hashlib.sha256(body).hexdigest())

    async def verify_digest(self, headers: Mapping[str, str], sha256: str) -> None:
        """Raise the same for a body with that SHA-256."""
        refusal = _refusal(headers, self._user_id, self._clock())
        if refusal is None and not await self._is_signed(headers, sha256):
            refusal = "no signature matches"
        if refusal is not None:
            raise signatures.refused(refusal)

    @property
    def callback_members(self) -> Collection[str]:
        """Return all fields but the payload."""
        return ("request_id", "status", "error", "payload_error")

    async def body_check(self, headers: Mapping[str, str]) -> _BodyCheck:
        """Return the check of a callback that is too large to be held; a 401 Problem as of `check_headers`."""
        self.check_headers(headers)
        return _BodyCheck(self, headers)

    async def parse(self, body: bytes) -> Prediction:
        """Return the finished request as a prediction; a 400 Problem if the body has none."""
        content = deep_json.parse_object(body)
        request, state = content.get("request_id"), content.get("status")
        if not isinstance(request, str) or _ID.fullmatch(request) is None or state not in ("OK", "ERROR"):
            raise problems.Problem(
                HTTPStatus.BAD_REQUEST, "not-a-prediction", "The body has no usable request_id and status."
            )
        error = content.get("error") or content.get("payload_error")
        return Prediction(
            provider=_NAME,
            id=request,
            state=state,
            outcome=PredictionOutcome.SUCCEEDED if state == "OK" else PredictionOutcome.FAILED,
            output=content.get("payload"),
            error=fields.text(error, max_length=_MAX_ERROR),
            recipe=_recipe(content.get("payload")),
        )

    async def complete(self, prediction: Prediction, parameters: Mapping[str, str]) -> Prediction:
        """Fetch the result if the callback leaves it out, as fal does with large ones; a 503 Problem until that works.

        The request needs the model, which is not in the callback, but in the callback's URL as `?model=`. fal repeats a
        refused callback for two hours.
        """
        if prediction.outcome is not PredictionOutcome.SUCCEEDED or prediction.output is not None:
            return prediction
        model = _MODEL.fullmatch(parameters.get("model", ""))
        if model is None:
            raise _no_model()
        fetched = await self.fetch_state(f"{model[0]}/requests/{prediction.id}")
        if fetched is None:
            raise _not_there(model[0])
        return replace(prediction, model=fetched.model, output=fetched.output, recipe=fetched.recipe)

    async def read_again(self, prediction: Prediction, parameters: Mapping[str, str]) -> Prediction:
        """Fetch the result, as `complete` does where the callback leaves it out."""
        return await self.complete(prediction, parameters)

    async def fetch_state(self, prediction: str) -> Prediction | None:
        """Return the result of `owner/model/requests/id`, None when it is gone; a 503 Problem while fal refuses it."""
        name, _, request = prediction.rpartition("/requests/")
        model = _MODEL.fullmatch(name)
        if model is None or _ID.fullmatch(request) is None:
            return None
        if self._key is None:
            raise problems.setting_missing("FAL_KEY")
        content = await self._result(f"{self._queue_url}/{model['app']}/requests/{request}")
        if content is None:
            return None
        return Prediction(
            _NAME, request, "OK", PredictionOutcome.SUCCEEDED, model=name, output=content, recipe=_recipe(content)
        )

    async def _result(self, url: str) -> JsonValue:
        """Return the JSON of a result, None when it is gone."""
        headers = self.auth_for(urlsplit(url).netloc)
        response = await self._api.ask("GET", url, limit_bytes=self._limit_bytes, headers=headers, timeout=_TIMEOUT_S)
        try:
            content: JsonValue = deep_json.parse(response.content) if response.is_success else None
        except ValueError:
            raise problems.unavailable("fal.ai") from None
        if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise _key_refused()
        if not response.is_success and response.status_code not in _GONE:
            raise problems.unavailable("fal.ai", retry_after_s=_RETRY_AFTER_S)
        return content

    def auth_for(self, host: str) -> Mapping[str, str]:
        """Return the key for fal's queue; the files are public."""
        if self._key is None or host != urlsplit(self._queue_url).netloc:
            return {}
        return {"Authorization": f"Key {self._key}"}

    async def _is_signed(self, headers: Mapping[str, str], sha256: str) -> bool:
        """Return whether a key verifies the signature, after a refresh if none does: keys rotate."""
        signature, message = bytes.fromhex(headers["x-fal-webhook-signature"]), _message(headers, sha256)
        if _matches(await self._keys.keys(), signature, message):
            return True
        return await self._keys.refresh() and _matches(await self._keys.keys(), signature, message)


def _recipe(payload: JsonValue) -> Recipe:
    """Return the recipe. fal.ai tells no input, but many of its models repeat the prompt next to seed and timings."""
    texts = {each: recipe.member(payload, each) for each in _PROMPTS}
    return Recipe(
        input={name: text for name, text in texts.items() if isinstance(text, str)},
        metrics=recipe.member(payload, "timings"),
        seed=recipe.seed_of(recipe.member(payload, "seed")),
    )


def _no_model() -> problems.Problem:
    detail = (
        "fal.ai left the result out of its callback, and the callback's URL names no model to ask for it;"
        " add ?model=owner/name to the URL that fal.ai is given."
    )
    return problems.result_missing(detail, setting="?model=")


def _not_there(model: str) -> problems.Problem:
    detail = (
        f"fal.ai left the result out of its callback, and has none under {model}, which the callback's URL names;"
        " check ?model=owner/name in the URL that fal.ai is given."
    )
    return problems.result_missing(detail, setting="?model=")


def _key_refused() -> problems.Problem:
    detail = "fal.ai left the result out of its callback and refuses the key of this service; check FAL_KEY."
    return problems.result_missing(detail, setting="FAL_KEY")


def _refusal(headers: Mapping[str, str], user_id: str, now: datetime) -> str | None:
    """Return why the headers are refused before any key is tried, None if they are not."""
    request, user, sent, signature = (
        headers.get(f"x-fal-webhook-{each}", "") for each in ("request-id", "user-id", "timestamp", "signature")
    )
    if not request or _SIGNATURE.fullmatch(signature) is None:
        return "a header is missing or not of its form"
    if not hmac.compare_digest(user.encode(), user_id.encode()):
        return "it is for another account"
    if _TIMESTAMP.fullmatch(sent) is None or abs(now.timestamp() - int(sent)) > signatures.TOLERANCE_S:
        return f"its time is more than {signatures.TOLERANCE_S} s away from now"
    return None


def _message(headers: Mapping[str, str], sha256: str) -> bytes:
    signed = (headers[f"x-fal-webhook-{each}"] for each in ("request-id", "user-id", "timestamp"))
    return "\n".join([*signed, sha256]).encode()


def _matches(keys: Iterable[PyJWK], signature: bytes, message: bytes) -> bool:
    return any([_verifies(each.key, signature, message) for each in keys])  # noqa: C419 - in constant time


def _verifies(key: object, signature: bytes, message: bytes) -> bool:
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
