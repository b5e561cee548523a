"""The proxy for sources, if SOURCE_PROXY_URL names one; HTTP_PROXY and similar variables are ignored.

The proxy resolves names again. The importer refuses private addresses, and names that resolve to them here, before it
contacts the proxy. A name that only the proxy can resolve has to be checked by the proxy.
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
from mediaimport_runtime.environment import BadSettingError, Environment

from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError
from mediaimport_importer.source.guard import GuardedBackend, Pace

if TYPE_CHECKING:
    import ssl

VARIABLE = "SOURCE_PROXY_URL"
_ANYWHERE = SourcePolicy((ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
"""A configured proxy may have any address."""


@dataclass(frozen=True)
class Proxy:
    """One proxy: https sources go through it by CONNECT, http sources by a request for the whole URL."""

    scheme: str
    host: str
    port: int
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def read(cls, env: Environment) -> Proxy | None:
        """Return the proxy of SOURCE_PROXY_URL, None if it is unset; BadSettingError, whose text has no password."""
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
            raise BadSettingError(f"{VARIABLE} is not the URL of a proxy; use http://host:port or https://host:port")
        user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        return cls(parts.scheme, host, port, user)


class ProxiedNetwork:
    """The way to sources through the proxy, as far as the policy allows them."""

    def __init__(self, proxy: Proxy, guard: GuardedBackend, pace: Pace) -> None:
        self.via = f" behind the proxy {proxy.host}"
        self.pace = pace
        self._proxy = proxy
        self._guard = guard
        self._to_proxy = GuardedBackend(_ANYWHERE, pace, peer="proxy")

    def pool(self, host: str, port: int, *, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:
        """Return a pool for requests to that host; SourceBlocked if it has an address here that is not allowed."""
        with suppress(UnavailableError):
            self._guard.checked_addresses(host, port)
        url = httpcore.URL(scheme=self._proxy.scheme, host=self._proxy.host, port=self._proxy.port, target="/")
        return httpcore.HTTPProxy(url, self._proxy.credentials, ssl_context=tls, network_backend=self._to_proxy)


def refusal(status: int, name: str) -> AttemptError:
    """Return the error for a status that the proxy, not the source, sent; `name` is the source's in messages."""
    if status == HTTPStatus.FORBIDDEN:
        return RefusedError(
            Reason.SOURCE_BLOCKED, f"{name} is not allowed: the proxy refuses it; change the proxy's rules"
        )
    required = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
    why = f"requires credentials; add them to {VARIABLE}" if required else f"answered HTTP {status}"
    return UnavailableError(Reason.SOURCE_UNAVAILABLE, f"{name} cannot be reached: the proxy {why}", http_status=status)
