"""Master keys, from which the signing keys of users' endpoints are derived: no object that is read often has a key."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_runtime.environment import BadSettingError

if TYPE_CHECKING:
    from mediaimport_runtime.environment import Environment

VARIABLE = "USER_ENDPOINTS_KEYS_DIRECTORY"
_FILES = ("current", "previous")
_MIN_CHARACTERS = 32


@dataclass(frozen=True)
class MasterKeys:
    """One or two keys, the current one first."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> MasterKeys | None:
        """Return the keys in the directory that the variable names, None without the variable; BadSettingError."""
        directory = env.optional(VARIABLE)
        if directory is None:
            return None
        files = [Path(directory, each) for each in _FILES]
        keys = tuple(each.read_bytes().strip() for each in files if each.is_file())
        if not keys:
            raise BadSettingError(f"{VARIABLE}: there is no file `current` in {directory}")
        if any(len(each) < _MIN_CHARACTERS for each in keys):
            raise BadSettingError(f"{VARIABLE}: a key has less than {_MIN_CHARACTERS} characters; make a longer one")
        return cls(keys)

    def signing_key(self, endpoint: str, number: int) -> str:
        """Return the endpoint's signing key of that number: `whsec_` and base64 of 32 bytes."""
        return _derived(self.keys[0], endpoint, number)

    def signing_keys(self, endpoint: str, number: int) -> tuple[str, ...]:
        """Return all keys by which messages are signed: also those of the number and the master key before."""
        numbers = [number, number - 1] if number > 1 else [number]
        return tuple(_derived(key, endpoint, each) for each in numbers for key in self.keys)


def _derived(master: bytes, endpoint: str, number: int) -> str:
    digest = hmac.digest(master, f"mediaimport.dev/endpoint\0{endpoint}\0{number}".encode(), hashlib.sha256)
    return f"whsec_{b64encode(digest).decode()}"
