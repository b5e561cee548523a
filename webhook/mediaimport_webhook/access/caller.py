"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from mediaimport_webhook.http.problems import Problem


@dataclass(frozen=True)
class Caller:
    """A user, and whether that user sees everybody's assets."""

    user_id: str
    admin: bool

    @property
    def sees(self) -> str | None:
        """Return the only user whose assets the caller sees, None for all."""
        return None if self.admin else self.user_id


def unauthorized(detail: str) -> Problem:
    """Return 401."""
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
