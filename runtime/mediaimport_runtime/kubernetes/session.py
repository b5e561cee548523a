"""The HTTP session with the API server: its address, TLS, proxy and credentials, from kubernetes.aio's configuration.

The library's own call of a request costs as much as the request itself: it looks for models in each header, and for
credentials in each part of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from mediaimport_runtime.kubernetes.config import rest_client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from kubernetes.aio.client import Configuration

    from mediaimport_runtime.kubernetes.objects import Object

_READ_BYTES = 2 * 1024 * 1024
"""The read buffer: an event of a watch is one line, up to twice as long."""


class Session:
    """Requests with the credentials of a configuration, over at most `connection_pool_maxsize` connections."""

    def __init__(self, config: Configuration, *, user_agent: str) -> None:
        """Take the name by which each request goes."""
        self._config = config
        self._tls = rest_client(config).ssl_context
        self._headers = {"User-Agent": user_agent}
        self._options: dict[str, Any] = {
            name: value
            for name, value in (
                ("server_hostname", config.tls_server_name),
                ("proxy", config.proxy),
                ("proxy_headers", config.proxy_headers),
            )
            if value
        }

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._config.connection_pool_maxsize, ssl=self._tls),
            # Proxies are for the way out of the cluster; looking for one costs each request two threads.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def headers(self) -> dict[str, str]:
        """Return what each request says of its program: its name, and the token as it is now, which is renewed."""
        credentials = (await self._config.auth_settings()).get("BearerToken")
        token = credentials and credentials["value"]
        return self._headers | ({"Authorization": token} if token else {})

    async def request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Object | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, for each of its parts
    ) -> aiohttp.ClientResponse:
        """Return the answer before its body is read, whatever its status: a redirect is not followed."""
        return await self._http.request(
            method,
            URL(self._config.host + path + _query(query)),
            headers=headers,
            data=None if body is None else _json(body),
            timeout=timeout,
            allow_redirects=False,
            **self._options,
        )


def _query(query: Mapping[str, str]) -> str:
    # As in a shell: `+` is no space to every proxy.
    return "?" + "&".join(f"{name}={quote(value)}" for name, value in query.items()) if query else ""


def _json(body: Object) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # What orjson refuses: integers of more than 64 bits, halves of a pair of surrogates, 255 levels and more.
        return json.dumps(body).encode()
