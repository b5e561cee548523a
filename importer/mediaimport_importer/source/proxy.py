"""The way to sources through a proxy, when SOURCE_PROXY_URL names one; HTTP_PROXY and the like are never looked at.

The proxy resolves names anew. What is refused here is refused before the proxy hears of it: bad literals, names that
resolve to bad addresses here. A name that only the proxy can resolve is the proxy's to judge.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpcore
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import DEFAULT_PORTS, SourcePolicy
from mediaimport_runtime.environment import BadSettingError

from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError
from mediaimport_importer.source.guard import GuardedBackend

if TYPE_CHECKING:
    import ssl

    from mediaimport_runtime.environment import Environment

    from mediaimport_importer.source.pace import Pace

VARIABLE = "SOURCE_PROXY_URL"
_ANYWHERE = SourcePolicy((ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
"""Whoever configures a proxy may have it anywhere."""


@dataclass(frozen=True)
class Proxy:
    """One proxy: it is asked to CONNECT for https, and to fetch for http."""

    scheme: str
    host: str
    port: int
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, env: Environment) -> Proxy | None:
        """Return the proxy of SOURCE_PROXY_URL, None when it is unset; BadSettingError, without its password."""
        text = env.optional(VARIABLE)
        if text is None:
            return None
        try:
            parts = urlsplit(text)
            default_port = DEFAULT_PORTS[parts.scheme]
            host, port = parts.hostname, parts.port or default_port
        except (ValueError, KeyError):
            host, port = None, 0
        if not host or parts.path.strip("/") or parts.query:
            raise BadSettingError(f"{VARIABLE} is not a proxy's URL; use http://host:port or https://host:port")
        user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        return cls(parts.scheme, host, port, user)


class ProxiedNetwork:
    """Sources behind the proxy, as far as they are allowed."""

    def __init__(self, proxy: Proxy, guard: GuardedBackend, pace: Pace) -> None:
        self.via = f" behind the proxy {proxy.host}"
        self._proxy = proxy
        self._guard = guard
        self._to_proxy = GuardedBackend(_ANYWHERE, pace, what="proxy")

    def pool(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:
        """Return connections for requests to that host; SourceBlocked if it has a bad address here."""
        with suppress(UnavailableError):
            self._guard.judged(host, port)
        url = httpcore.URL(scheme=self._proxy.scheme, host=self._proxy.host, port=self._proxy.port, target="/")
        return httpcore.HTTPProxy(url, self._proxy.credentials, ssl_context=tls, network_backend=self._to_proxy)


def refusal(status: int, who: str) -> AttemptError:
    """Return what it means that the proxy, not the source, answered with that status."""
    if status == HTTPStatus.FORBIDDEN:
        return RefusedError(Reason.SOURCE_BLOCKED, f"{who} is not allowed: the proxy refuses it; change its rules")
    wants = f"wants credentials; put them into {VARIABLE}"
    said = wants if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else f"answered HTTP {status}"
    return UnavailableError(Reason.SOURCE_UNAVAILABLE, f"{who} cannot be reached: the proxy {said}", http_status=status)
