"""Public keys that somebody else publishes and replaces as they like: a JSON Web Key Set behind a URL."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import httpx
from jwt import PyJWKSet
from jwt.exceptions import PyJWTError

from mediaimport_webhook.http.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jwt import PyJWK

_LOG = logging.getLogger(__name__)
_HOLDS_S = 3600.0
_LASTS_S = 24 * 3600.0
"""Keys that cannot be fetched anew are used this long."""
_ASKED_EVERY_S = 10.0
"""No stranger's made-up key makes us ask more often."""
_TIMEOUT_S = 5.0


class KeySet:
    """The keys of one publisher. `locate` returns the URL; httpx.HTTPError or ValueError if that is not to be had."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        locate: Callable[[], Awaitable[str]],
        *,
        whose: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._locate = locate
        self._whose = whose
        self._monotonic = monotonic
        self._keys: Sequence[PyJWK] = ()
        self._fetched_at = self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def held(self) -> Sequence[PyJWK]:
        """Return the keys, fetched within the hour; a 503 Problem if there are none, or only ancient ones."""
        if self._monotonic() - self._fetched_at > _HOLDS_S:
            await self.renew()
        if self._monotonic() - self._fetched_at > _LASTS_S:
            raise unavailable(f"The server with the keys of {self._whose}")
        return self._keys

    async def renew(self) -> bool:
        """Fetch the keys, unless that was tried just now; tell whether they are new."""
        async with self._asking:
            now = self._monotonic()
            if now - self._asked_at < _ASKED_EVERY_S:
                return False
            self._asked_at = now
            try:
                self._keys = await self._fetch()
            except (httpx.HTTPError, ValueError, PyJWTError) as error:
                _LOG.warning("keys could not be fetched", extra={"whose": self._whose, "error": type(error).__name__})
                return False
            self._fetched_at = now
            return True

    async def _fetch(self) -> Sequence[PyJWK]:
        answer = await self._http.get(await self._locate(), timeout=_TIMEOUT_S)
        answer.raise_for_status()
        content = answer.json()
        if not isinstance(content, dict):
            raise ValueError("not a key set")  # noqa: TRY004 - bad data, not a bad type of ours
        return PyJWKSet.from_dict(content).keys
