"""Access of callers: bearer tokens, JSON Web Tokens of an OpenID Connect (OIDC) issuer, JWKS, rate limit."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from mediaimport_webhook.http import problems


@dataclass(frozen=True)
class Caller:
    """The user that sends a request. An admin sees the assets of all users."""

    user_id: str
    admin: bool

    @property
    def sees(self) -> str | None:
        """Return the only user whose assets the caller sees, None for all."""
        return None if self.admin else self.user_id


def unauthorized(detail: str) -> problems.Problem:
    """Return 401."""
    return problems.Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
