"""Bearer tokens of a mounted file, which is read again whenever it changes."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from typing import TYPE_CHECKING, Annotated, Literal, Self

from mediaimport_api.model import Sha256
from mediaimport_runtime.environment import BadSettingError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from mediaimport_webhook.access import Caller
from mediaimport_webhook.http.problems import first_error
from mediaimport_webhook.settings import user_id_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_CHECK_INTERVAL_S = 1.0
_MAX_TOKEN = 4096


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


_FILE = TypeAdapter(list[TokenGrant])
Grants = list[tuple[bytes, Caller]]


def _read(path: Path) -> Grants:
    """Return the grants of the file; BadSettingError names the setting, never a token."""
    try:
        grants = _FILE.validate_python(json.loads(path.read_bytes()))
    except ValidationError as error:
        raise BadSettingError(f"AUTH_TOKENS_FILE: {first_error(error)}") from None
    except OSError as error:
        raise BadSettingError(f"AUTH_TOKENS_FILE: {error}") from None
    except ValueError:
        raise BadSettingError("AUTH_TOKENS_FILE is not JSON; it must be a list of objects") from None
    return [(each.digest, Caller(each.user, admin=each.role == "admin")) for each in grants]


class TokensFile:
    """Authenticates callers by the SHA-256 of their token, compared in constant time with every known one."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._checked_at = monotonic()
        self._state = self._file_state()
        self._grants = _read(path)

    def find(self, token: str) -> Caller | None:
        """Return the caller of a token, None if it is not known."""
        return _matching(self._current(), token)

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
            self._grants = _read(self._path)
        except BadSettingError as error:
            _LOG.error(
                "the tokens file could not be reloaded; the former tokens stay valid", extra={"error": str(error)}
            )
        else:
            _LOG.info("the tokens file was reloaded", extra={"tokens": len(self._grants)})

    def _file_state(self) -> tuple[int, int, int] | None:
        """Return inode, time and size. A mounted Secret swaps a link, which changes the inode."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size


def _matching(grants: Sequence[tuple[bytes, Caller]], token: str) -> Caller | None:
    presented = hashlib.sha256(token.encode()).digest()
    found = [caller for digest, caller in grants if hmac.compare_digest(digest, presented)]
    return found[0] if found else None
