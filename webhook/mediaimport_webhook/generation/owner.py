"""Owner of a prediction: a signed token in the query of the callback's URL, so that a callback never lacks its user.

The generator keeps the URL with the prediction and shows it in its API: recovery and reads find the owner there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from itsdangerous import BadData, URLSafeSerializer
from pydantic import BaseModel, ConfigDict, ValidationError

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Sequence

PARAMETER = "owner"
"""Of the callback's URL."""
SETTING = "OWNER_TOKEN_KEYS"
_SALT = "mediaimport.dev/owner"
"""Separates these signatures from any others that are made with the same key."""
_NONCE_CHARACTERS = 32


class InvalidTokenError(Exception):
    """A token is not signed with one of our keys, or two tokens contradict each other."""


@dataclass(frozen=True)
class Owner:
    """User of a prediction, with the tags for its assets."""

    user_id: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnerToken:
    """Content of a token. The nonce names one request for a prediction: a repeated request has the same.

    `is_keyed` tells that a record of the request's Idempotency-Key has the nonce in its name.
    """

    owner: Owner
    nonce: str = field(default_factory=lambda: uuid4().hex)
    is_keyed: bool = False


class _Content(BaseModel):
    model_config = ConfigDict(strict=True)

    user: str
    tags: list[str]
    nonce: str
    keyed: bool = False


class OwnerTokens:
    """Signs and verifies tokens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take the keys: the first signs, all verify. A rotation adds one last, then moves it first."""
        self._serializer = None
        if keys:
            options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
            self._serializer = URLSafeSerializer(list(reversed(keys)), salt=_SALT, signer_kwargs=options)

    @property
    def can_sign(self) -> bool:
        """Return whether there is a key."""
        return self._serializer is not None

    def callback_url(self, base_url: str, token: OwnerToken) -> str:
        """Return the URL with the token in its query; a 503 Problem without a key."""
        content: dict[str, object] = {"user": token.owner.user_id, "tags": list(token.owner.tags), "nonce": token.nonce}
        content |= {"keyed": True} if token.is_keyed else {}
        signed = self._signer().dumps(content)
        return f"{base_url}?{urlencode({PARAMETER: signed if isinstance(signed, str) else signed.decode()})}"

    def read(self, *texts: str | None) -> OwnerToken | None:
        """Return what the texts, those that are not None, all say; None without any.

        InvalidTokenError; a 503 Problem without a key.
        """
        given = {each for each in texts if each is not None}
        if not given:
            return None
        if len(given) > 1:
            raise InvalidTokenError("the callback's URL and the prediction name different owners")
        return self._verified(given.pop())

    def of_prediction(self, callback_url: str | None) -> OwnerToken | None:
        """Return the token in a prediction's callback URL, None without a valid one; a 503 Problem without a key."""
        try:
            return self.read(text_in(callback_url))
        except InvalidTokenError:
            return None

    def _verified(self, text: str) -> OwnerToken:
        try:
            content = _Content.model_validate(self._signer().loads(text))
        except (BadData, ValidationError):
            raise InvalidTokenError("the owner token is not signed with a key of this service") from None
        return OwnerToken(Owner(content.user, tuple(content.tags)), content.nonce, content.keyed)

    def _signer(self) -> URLSafeSerializer:
        if self._serializer is None:
            raise problems.setting_missing(SETTING)
        return self._serializer


def text_in(url: str | None) -> str | None:
    """Return the unverified token in a URL's query, None without one."""
    try:
        values = parse_qs(urlsplit(url or "").query, keep_blank_values=True).get(PARAMETER)
    except ValueError:
        return None
    return None if values is None else values[0]


def nonce_of_key(user_id: str, idempotency_key: str) -> str:
    """Return the nonce of all requests of a user with one Idempotency-Key."""
    return hashlib.sha256(f"{user_id}\0{idempotency_key}".encode()).hexdigest()[:_NONCE_CHARACTERS]
