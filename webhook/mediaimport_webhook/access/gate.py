"""The gate before every route that is somebody's: which caller, and is it not too often."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from mediaimport_webhook.access.caller import Caller, unauthorized
from mediaimport_webhook.access.rate_limit import RateLimit
from mediaimport_webhook.access.tokens import Tokens
from mediaimport_webhook.http.problems import Problem, setting_missing

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request

    from mediaimport_webhook.access.oidc import Issuer
    from mediaimport_webhook.metrics import Metrics
    from mediaimport_webhook.settings import Oidc, Settings

_LOG = logging.getLogger(__name__)


class Gate(Protocol):
    """Says who a request comes from."""

    async def caller(self, request: Request) -> Caller:
        """Return the caller; a 401, 429 or 503 Problem if there is none."""


@dataclass(frozen=True)
class BearerGate:
    """Asks for a token: one of the file, or a JWT of the issuer."""

    tokens: Tokens | None
    issuer: Issuer | None

    async def caller(self, request: Request) -> Caller:
        """Return the caller; a 401 Problem if there is none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("Send a token: Authorization: Bearer …")
        found = None if self.tokens is None else self.tokens.find(token)
        if found is None and self.issuer is not None and token.count(".") == 2:  # noqa: PLR2004 - a JWT's
            found = await self.issuer.caller(token)
        if found is None:
            raise unauthorized("This token is not known.")
        return found


class ClosedGate:
    """Nobody comes in until tokens are configured."""

    async def caller(self, _: Request) -> Caller:
        """Raise the 503 Problem that names the setting."""
        raise setting_missing("AUTH_TOKENS_FILE")


@dataclass(frozen=True)
class OpenGate:
    """Everybody is the default user and sees all: nobody is told from anybody."""

    user_id: str

    async def caller(self, _: Request) -> Caller:
        """Return the one caller that there is."""
        return Caller(self.user_id, admin=True)


@dataclass(frozen=True)
class LimitedGate:
    """Sends away who comes too often, each user for themselves."""

    gate: Gate
    limit: RateLimit
    metrics: Metrics

    async def caller(self, request: Request) -> Caller:
        """Return the caller; a 429 Problem if that one has to wait."""
        caller = await self.gate.caller(request)
        wait_s = self.limit.wait_s(caller.user_id)
        if wait_s > 0:
            self.metrics.limited()
            detail = "Too many requests; wait as long as Retry-After says."
            headers = {"Retry-After": str(wait_s)}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)
        return caller


def gate(settings: Settings, http: httpx.AsyncClient, metrics: Metrics) -> Gate:
    """Return the gate that the settings ask for."""
    known = _known(settings, http)
    if settings.rate_limit_per_second == 0:
        return known
    return LimitedGate(known, RateLimit(settings.rate_limit_per_second), metrics)


def _known(settings: Settings, http: httpx.AsyncClient) -> Gate:
    if settings.auth_mode == "none":
        _LOG.warning("AUTH_MODE is none: everybody who reaches this port reads, and writes, everything")
        return OpenGate(settings.default_user_id)
    tokens = None if settings.auth_tokens_file is None else Tokens(settings.auth_tokens_file)
    issuer = None if settings.oidc is None else _issuer(settings.oidc, http)
    return ClosedGate() if tokens is None and issuer is None else BearerGate(tokens, issuer)


def _issuer(settings: Oidc, http: httpx.AsyncClient) -> Issuer:
    from mediaimport_webhook.access.oidc import Issuer  # noqa: PLC0415 - 8 MB of cryptography, for who needs it

    return Issuer.of(settings, http)
