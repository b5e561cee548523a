"""Request headers from a mounted Secret: for one host, and never across a redirect to another."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mediaimport_api.names import HEADERS_VARIABLE
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import DEFAULT_PORTS, url_host

from mediaimport_importer.errors import RefusedError
from mediaimport_importer.source.url import ascii_host, ascii_url

if TYPE_CHECKING:
    from mediaimport_runtime.environment import Environment

HOST_KEY = "host"
MAX_BYTES = 16 * 1024
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_]*")
_VALUE = re.compile(r"[\x20-\x7e]+")
_RESERVED = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "if-range", "range", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


@dataclass(frozen=True)
class SecretHeaders:
    """Headers for one origin: the scheme, host and port of the source's URL."""

    origin: tuple[str, str | None, int | None]
    headers: dict[str, str]

    def for_url(self, url: str) -> dict[str, str]:
        """Return the headers for a request to that URL: none for another origin."""
        return self.headers if _origin(url) == self.origin else {}


def directory(env: Environment) -> Path | None:
    """Return the directory in which the Secret of source.headersSecretRef is mounted."""
    name = env.optional(HEADERS_VARIABLE)
    return Path(name) if name else None


def read(directory: Path | None, url: str) -> SecretHeaders:
    """Return the headers for the source's URL; SpecInvalid for a Secret of another host or with invalid headers."""
    keys = _keys(directory)
    host = keys.pop(HOST_KEY, "").encode("latin-1").decode(errors="replace").lower()
    if not host:
        raise _invalid(f"does not exist or has no key `{HOST_KEY}`, the only host that gets its headers; add it")
    if _comparable(host) != _comparable(url_host(url) or ""):
        raise _invalid(f"is for the host {host[:253]}, not for that of source.url; name another Secret")
    for name, value in keys.items():
        _check(name, value)
    return SecretHeaders(_origin(url), keys)


def _keys(directory: Path | None) -> dict[str, str]:
    """Return the Secret's keys as Kubernetes mounts them: a file each, next to its own entries that begin with dots."""
    if directory is None or not directory.is_dir():
        return {}
    files = [each for each in directory.iterdir() if not each.name.startswith(".") and each.is_file()]
    if sum(each.stat().st_size for each in files) > MAX_BYTES:
        raise _invalid(f"holds more than {MAX_BYTES} bytes; shorten it")
    keys = {each.name: each.read_bytes().decode("latin-1").strip() for each in files}
    named = next((name for name in sorted(keys, reverse=True) if name.lower() == HOST_KEY), None)
    return keys if named is None else {HOST_KEY: keys.pop(named), **keys}


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise _invalid(f"has the key {name[:64]}, which is not allowed as a request header; remove it")
    if not _VALUE.fullmatch(value):
        raise _invalid(f"has an invalid header value under the key {name[:64]}; use printable ASCII on one line")


def merged(*groups: dict[str, str]) -> dict[str, str]:
    """Return the headers of all groups; a later one replaces an earlier one of the same name in any case."""
    fields = {name.lower(): (name, value) for group in groups for name, value in group.items()}
    return dict(fields.values())


def _comparable(host: str) -> str:
    try:
        return ascii_host(host)
    except UnicodeError:
        return host


def _origin(url: str) -> tuple[str, str | None, int | None]:
    with suppress(ValueError):
        url = ascii_url(url)
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _invalid(problem: str) -> RefusedError:
    return RefusedError(Reason.SPEC_INVALID, f"the Secret of source.headersSecretRef {problem}")
