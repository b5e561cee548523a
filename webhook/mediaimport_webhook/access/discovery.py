"""Discovery document of the OpenID Connect issuer: where a browser signs in, and where it gets tokens."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
_TIMEOUT_S = 3.0
_REFRESH_AFTER_S = 600.0
_RETRY_AFTER_S = 10.0
"""Least time between two requests to an issuer that does not answer: anybody may ask for the page."""
_ENDPOINT = re.compile(
    r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s]*)?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?(/[^\s]*)?"
)


@dataclass(frozen=True)
class Endpoints:
    """URLs of an issuer."""

    authorization: str
    token: str


async def document(http: httpx.AsyncClient, issuer: str, *, timeout_s: float) -> dict[str, Any]:
    """Return the issuer's document; httpx.HTTPError, or ValueError if it is none."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    content = (await http.get(url, timeout=timeout_s)).raise_for_status().json()
    if not isinstance(content, dict):
        raise ValueError("the discovery document is no JSON object")  # noqa: TRY004 - of the content, not of an argument
    return content


class Discovery:
    """The endpoints of one issuer, as its document had them ten minutes ago at most, or before it went away."""

    def __init__(
        self, http: httpx.AsyncClient, issuer: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._monotonic = monotonic
        self._found: Endpoints | None = None
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def endpoints(self) -> Endpoints | None:
        """Return the endpoints; None while none are known."""
        async with self._reading:
            now = self._monotonic()
            if now - self._read_at >= _REFRESH_AFTER_S and now - self._tried_at >= _RETRY_AFTER_S:
                await self._read()
                self._tried_at = self._monotonic()
        return self._found

    async def _read(self) -> None:
        try:
            content = await document(self._http, self._issuer, timeout_s=_TIMEOUT_S)
            self._found = _endpoints(content, self._issuer)
        except (httpx.HTTPError, ValueError) as error:
            log.warning("the issuer's discovery document could not be read", extra={"error": _cause(error)})
        else:
            self._read_at = self._monotonic()


def _endpoints(content: dict[str, Any], issuer: str) -> Endpoints:
    if content.get("issuer") != issuer:
        raise ValueError(f"the document is of another issuer, not of {issuer}")
    found = [content.get(f"{each}_endpoint") for each in ("authorization", "token")]
    for each in found:
        if not isinstance(each, str) or _ENDPOINT.fullmatch(each) is None:
            raise ValueError("the document lacks the URL of an endpoint")
    return Endpoints(*map(str, found))


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
