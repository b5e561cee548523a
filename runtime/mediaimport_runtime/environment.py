"""Settings from environment variables. A bad value is one line that names the variable."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.source_policy import Network, SourcePolicy

if TYPE_CHECKING:
    from collections.abc import Mapping


class BadSettingError(Exception):
    """A variable is missing or wrong; the text is one line that names it and says what to do."""


@dataclass(frozen=True)
class Environment:
    """A reader of variables; an empty one counts as unset."""

    variables: Mapping[str, str]

    def optional(self, name: str) -> str | None:
        """Return the variable's text, None when unset."""
        return self.variables.get(name, "").strip() or None

    def text(self, name: str, default: str | None = None) -> str:
        """Return the variable's text or the default; BadSettingError when there is neither."""
        value = self.optional(name) or default
        if value is None:
            raise BadSettingError(f"{name} is not set; set it to start")
        return value

    def integer(self, name: str, default: int, *, least: int = 0) -> int:
        """Return a whole number of at least `least`."""
        value = self.optional(name)
        try:
            number = default if value is None else int(value)
        except ValueError:
            raise BadSettingError(f"{name} is {value!r}; it must be a whole number") from None
        if number < least:
            raise BadSettingError(f"{name} is {number}; it must be at least {least}")
        return number

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = (self.optional(name) or str(default)).lower()
        if value not in {"true", "false"}:
            raise BadSettingError(f"{name} is {value!r}; it must be true or false")
        return value == "true"

    def words(self, name: str) -> tuple[str, ...]:
        """Return the comma-separated words, none when unset."""
        return tuple(word.strip() for word in (self.optional(name) or "").split(",") if word.strip())

    def source_policy(self) -> SourcePolicy:
        """Return SOURCE_ALLOWED_NETWORKS (CIDRs) and SOURCE_ALLOWED_PORTS (default 80,443) as a policy."""
        ports = frozenset(self._port(word) for word in self.words("SOURCE_ALLOWED_PORTS"))
        networks = self.networks("SOURCE_ALLOWED_NETWORKS")
        return SourcePolicy(allowed_networks=networks, ports=ports or SourcePolicy().ports)

    @staticmethod
    def _port(word: str) -> int:
        if not word.isascii() or not word.isdigit() or not 0 < int(word) < 2**16:
            raise BadSettingError(f"SOURCE_ALLOWED_PORTS has {word!r}; it must be ports, separated by commas")
        return int(word)

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return the comma-separated CIDRs, none when unset."""
        try:
            return tuple(ipaddress.ip_network(word) for word in self.words(name))
        except ValueError as error:
            raise BadSettingError(f"{name}: {error}; use CIDRs such as 10.0.0.0/8") from None
