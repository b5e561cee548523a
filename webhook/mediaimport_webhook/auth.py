"""Who asks: bearer tokens from a mounted file, read again whenever it changes."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from mediaimport_api.environment import BadSettingError
from mediaimport_api.model import Sha256
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from mediaimport_webhook.problems import Problem, first_error, setting_missing
from mediaimport_webhook.settings import user_id_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from starlette.requests import Request

    from mediaimport_webhook.settings import Settings

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_MAX_TOKEN = 4096


@dataclass(frozen=True)
class Caller:
    """A user, and whether that user sees everybody's assets."""

    user_id: str
    admin: bool

    @property
    def sees(self) -> str | None:
        """Return the only user whose assets the caller sees, None for all."""
        return None if self.admin else self.user_id


class Gate(Protocol):
    """Says who a request comes from."""

    def caller(self, request: Request) -> Caller:
        """Return the caller; a 401 or 503 Problem if there is none."""


class TokenGrant(BaseModel):
    """One line of the tokens file: a token, or only its SHA-256, and whose it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Annotated[str | None, Field(min_length=16, max_length=_MAX_TOKEN, repr=False)] = None
    sha256: Sha256 | None = None
    user: str
    role: Literal["user", "admin"] = "user"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.token is None) == (self.sha256 is None):
            raise ValueError("give either token or sha256")
        if (refusal := user_id_refusal(self.user)) is not None:
            raise ValueError(f"user is not a user's id: {refusal}")
        return self

    @property
    def digest(self) -> bytes:
        """Return the token's SHA-256."""
        return bytes.fromhex(self.sha256) if self.sha256 else hashlib.sha256((self.token or "").encode()).digest()


_FILE = TypeAdapter(list[TokenGrant])
Grants = list[tuple[bytes, Caller]]


def _read(path: Path) -> Grants:
    """Return what the file grants; BadSettingError names the setting, never a token."""
    try:
        grants = _FILE.validate_python(json.loads(path.read_bytes()))
    except ValidationError as error:
        raise BadSettingError(f"AUTH_TOKENS_FILE: {first_error(error)}") from None
    except OSError as error:
        raise BadSettingError(f"AUTH_TOKENS_FILE: {error}") from None
    except ValueError:
        raise BadSettingError("AUTH_TOKENS_FILE is not JSON; it must be a list of objects") from None
    return [(each.digest, Caller(each.user, admin=each.role == "admin")) for each in grants]


class TokenGate:
    """Knows callers by the SHA-256 of their token, compared in constant time with every one that is known."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._looked = monotonic()
        self._state = self._file_state()
        self._grants = _read(path)

    def caller(self, request: Request) -> Caller:
        """Return the caller; a 401 Problem if there is none."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized("Send a token: Authorization: Bearer …")
        found = _matching(self._current(), token.strip())
        if found is None:
            raise _unauthorized("This token is not known.")
        return found

    def _current(self) -> Grants:
        now = self._monotonic()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            self._reload()
        return self._grants

    def _reload(self) -> None:
        """Read a changed file; one that cannot be read leaves the grants as they are."""
        state = self._file_state()
        if state == self._state:
            return
        self._state = state
        try:
            self._grants = _read(self._path)
        except BadSettingError as error:
            _LOG.error("the tokens could not be read again; the former ones hold", extra={"error": str(error)})
        else:
            _LOG.info("the tokens were read again", extra={"tokens": len(self._grants)})

    def _file_state(self) -> tuple[int, int, int] | None:
        """Return what changes with the file; a Secret's mount swaps a link, so the inode changes too."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size


def _matching(grants: Sequence[tuple[bytes, Caller]], token: str) -> Caller | None:
    presented = hashlib.sha256(token.encode()).digest()
    found = [caller for digest, caller in grants if hmac.compare_digest(digest, presented)]
    return found[0] if found else None


def _unauthorized(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


class ClosedGate:
    """Nobody comes in until tokens are configured."""

    def caller(self, _: Request) -> Caller:
        """Raise the 503 Problem that names the setting."""
        raise setting_missing("AUTH_TOKENS_FILE")


@dataclass(frozen=True)
class OpenGate:
    """Everybody is the default user and sees all: nobody is told from anybody."""

    user_id: str

    def caller(self, _: Request) -> Caller:
        """Return the one caller that there is."""
        return Caller(self.user_id, admin=True)


def gate(settings: Settings) -> Gate:
    """Return the gate that the settings ask for."""
    if settings.auth_mode == "none":
        _LOG.warning("AUTH_MODE is none: everybody who reaches this port reads, and writes, everything")
        return OpenGate(settings.default_user_id)
    if settings.auth_tokens_file is None:
        return ClosedGate()
    return TokenGate(settings.auth_tokens_file)
