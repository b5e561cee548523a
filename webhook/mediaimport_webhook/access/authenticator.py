"""Authenticators: each route that belongs to a user asks one for the caller. A rate limit may stand in front."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from mediaimport_api.model import Sha256
from mediaimport_runtime.environment import BadSettingError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.requests import Request

from mediaimport_webhook.access import Caller, unauthorized
from mediaimport_webhook.access.rate_limit import RateLimiter, mark_authenticated, mark_limited, too_many_requests
from mediaimport_webhook.http import problems
from mediaimport_webhook.http.limits import mark_unchecked
from mediaimport_webhook.settings import Oidc, Settings, user_id_refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx
    from starlette.types import Scope

    from mediaimport_webhook.access.oidc import Issuer
    from mediaimport_webhook.metrics import Metrics

log = logging.getLogger(__name__)
_CHECK_INTERVAL_S = 1.0
_MAX_TOKEN = 4096


class Authenticator(Protocol):
    """Tells who sends a request."""

    async def caller(self, request: Request) -> Caller:
        """Return the caller; a 401, 429 or 503 Problem if there is none."""


@dataclass(frozen=True)
class BearerAuthenticator:
    """Accepts a token of the tokens file or a JWT of the OIDC issuer."""

    tokens: TokensFile | None
    issuer: Issuer | None

    async def caller(self, request: Request) -> Caller:
        """Return the caller; a 401 Problem if there is none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("Send a token: Authorization: Bearer …")
        found = None if self.tokens is None else self.tokens.find(token)
        if found is None and self.issuer is not None and token.count(".") == 2:  # noqa: PLR2004 - a JWT's
            found = await self._of_issuer(self.issuer, token, request.scope)
        if found is None:
            raise unauthorized("This token is not known.")
        mark_authenticated(request.scope)
        return found

    async def _of_issuer(self, issuer: Issuer, token: str, scope: Scope) -> Caller:
        try:
            return await issuer.caller(token)
        except problems.Problem as problem:
            if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
                mark_unchecked(scope)
            raise


class UnconfiguredAuthenticator:
    """Refuses every request until tokens or an issuer are configured."""

    async def caller(self, _: Request) -> Caller:
        """Raise the 503 Problem that names the setting."""
        raise problems.setting_missing("AUTH_TOKENS_FILE")


@dataclass(frozen=True)
class AnonymousAuthenticator:
    """Takes every request for one of the default user, who is an admin (AUTH_MODE none)."""

    user_id: str

    async def caller(self, request: Request) -> Caller:
        """Return the default user."""
        mark_authenticated(request.scope)
        return Caller(self.user_id, admin=True)


@dataclass(frozen=True)
class RateLimitedAuthenticator:
    """Refuses the requests of a user who sends too many."""

    authenticator: Authenticator
    limiter: RateLimiter
    metrics: Metrics

    async def caller(self, request: Request) -> Caller:
        """Return the caller; a 429 Problem if the caller has to wait."""
        caller = await self.authenticator.caller(request)
        retry_after_s = self.limiter.retry_after_s(caller.user_id)
        if retry_after_s > 0:
            self.metrics.rate_limited()
            raise too_many_requests(retry_after_s)
        mark_limited(request.scope, partial(self.limiter.take, caller.user_id))
        return caller


async def has_valid_token(authenticator: Authenticator, scope: Scope) -> bool:
    """Return whether a request to a route that asks nobody has a valid token; it takes nothing of its user's rate."""
    unlimited = authenticator.authenticator if isinstance(authenticator, RateLimitedAuthenticator) else authenticator
    try:
        await unlimited.caller(Request(scope))
    except problems.Problem:
        return False
    return True


class TokenGrant(BaseModel):
    """One object of the tokens file: a token, or only its SHA-256, with its user and role."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Annotated[str | None, Field(min_length=16, max_length=_MAX_TOKEN, repr=False)] = None
    sha256: Sha256 | None = None
    user: str
    role: Literal["user", "admin"] = "user"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.token is None) == (self.sha256 is None):
            raise ValueError("give either token or sha256")
        if (refusal := user_id_refusal(self.user)) is not None:
            raise ValueError(f"user is not a user's id: {refusal}")
        return self

    @property
    def digest(self) -> bytes:
        """Return the token's SHA-256."""
        return bytes.fromhex(self.sha256) if self.sha256 else hashlib.sha256((self.token or "").encode()).digest()


_TOKENS_FILE = TypeAdapter(list[TokenGrant])
Grants = dict[bytes, Caller]
"""Callers by the SHA-256 of their tokens. Who measures a look-up learns about digests, and nothing about tokens."""


def _read_tokens(path: Path) -> Grants:
    """Return the grants of the file; BadSettingError names the setting, never a token."""
    try:
        grants = _TOKENS_FILE.validate_python(json.loads(path.read_bytes()))
    except ValidationError as error:
        raise BadSettingError(f"AUTH_TOKENS_FILE: {problems.first_error(error)}") from None
    except OSError as error:
        raise BadSettingError(f"AUTH_TOKENS_FILE: {error}") from None
    except ValueError:
        raise BadSettingError("AUTH_TOKENS_FILE is not JSON; it must be a list of objects") from None
    # The first of several grants of one token counts.
    return {each.digest: Caller(each.user, admin=each.role == "admin") for each in reversed(grants)}


class TokensFile:
    """Authenticates callers by the SHA-256 of their token; a look-up takes as long with many tokens as with few."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._checked_at = monotonic()
        self._state = self._file_state()
        self._grants = _read_tokens(path)

    def find(self, token: str) -> Caller | None:
        """Return the caller of a token, None if it is not known."""
        return self._current().get(hashlib.sha256(token.encode()).digest())

    def _current(self) -> Grants:
        now = self._monotonic()
        if now - self._checked_at >= _CHECK_INTERVAL_S:
            self._checked_at = now
            self._reload()
        return self._grants

    def _reload(self) -> None:
        """Read a changed file. An unreadable one leaves the grants as they are."""
        state = self._file_state()
        if state == self._state:
            return
        self._state = state
        try:
            self._grants = _read_tokens(self._path)
        except BadSettingError as error:
            log.error(  # noqa: TRY400 - expected: no traceback
                "the tokens file could not be reloaded; the former tokens stay valid", extra={"error": str(error)}
            )
        else:
            log.info("the tokens file was reloaded", extra={"tokens": len(self._grants)})

    def _file_state(self) -> tuple[int, int, int] | None:
        """Return inode, time and size. A mounted Secret swaps a link, which changes the inode."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size


def authenticator_of(settings: Settings, http: httpx.AsyncClient, metrics: Metrics) -> Authenticator:
    """Return the authenticator that the settings ask for; BadSettingError if the tokens file is wrong."""
    authenticator = _without_rate_limit(settings, http)
    if settings.rate_limit_per_second == 0:
        return authenticator
    return RateLimitedAuthenticator(authenticator, RateLimiter(settings.rate_limit_per_second), metrics)


def _without_rate_limit(settings: Settings, http: httpx.AsyncClient) -> Authenticator:
    if settings.auth_mode == "none":
        log.warning("AUTH_MODE is none: everybody who reaches this port reads, and writes, everything")
        return AnonymousAuthenticator(settings.default_user_id)
    tokens = None if settings.auth_tokens_file is None else TokensFile(settings.auth_tokens_file)
    issuer = None if settings.oidc is None else _issuer(settings.oidc, http)
    return UnconfiguredAuthenticator() if tokens is None and issuer is None else BearerAuthenticator(tokens, issuer)


def _issuer(settings: Oidc, http: httpx.AsyncClient) -> Issuer:
    # cryptography takes 8 MB, so only a configured issuer loads it.
    from mediaimport_webhook.access.oidc import Issuer  # noqa: PLC0415 - loaded only where OIDC is configured

    return Issuer.of(settings, http)
