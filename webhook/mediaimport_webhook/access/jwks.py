"""Cache of a JSON Web Key Set (JWKS): public keys that a publisher serves under a URL and may rotate at any time."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import httpx
from jwt import PyJWKSet
from jwt.exceptions import PyJWTError

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from jwt import PyJWK

log = logging.getLogger(__name__)
_REFRESH_AFTER_S = 3600.0
_EXPIRE_AFTER_S = 24 * 3600.0
"""Limit of use for keys whose refresh fails."""
_REFRESH_INTERVAL_S = 10.0
"""Least time from the end of a request to the next, so that tokens with made-up key ids do not each cause one."""
_TIMEOUT_S = 5.0
"""For each part of an answer."""
_FETCH_TIMEOUT_S = 10.0
"""For all: where the keys are, and the keys."""


class KeySet:
    """The keys of one publisher. `locate` returns the URL; httpx.HTTPError or ValueError if it cannot."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        locate: Callable[[], Awaitable[str]],
        *,
        publisher: str,
        monotonic: Callable[[], float] = time.monotonic,
        fetch_timeout_s: float = _FETCH_TIMEOUT_S,
    ) -> None:
        self._http = http
        self._locate = locate
        self._publisher = publisher
        self._monotonic = monotonic
        self._keys: Sequence[PyJWK] = ()
        self._fetched_at = self._tried_at = float("-inf")
        self._fetch_timeout_s = fetch_timeout_s
        self._refreshing = asyncio.Lock()
        self._renewal: asyncio.Task[bool] | None = None

    async def keys(self) -> Sequence[PyJWK]:
        """Return the keys, at most a day old; a 503 Problem if there are none.

        Keys older than an hour are renewed in the background: no request waits for a publisher that does not answer.
        """
        if self._age_s() > _EXPIRE_AFTER_S:
            await self.refresh()
        elif self._age_s() > _REFRESH_AFTER_S:
            self._renew()
        if self._age_s() > _EXPIRE_AFTER_S:
            raise problems.unavailable(f"The server with the keys of {self._publisher}")
        return self._keys

    def _age_s(self) -> float:
        return self._monotonic() - self._fetched_at

    def _renew(self) -> None:
        """Refresh in a task of its own, one at a time."""
        is_running = self._renewal is not None and not self._renewal.done()
        if not is_running and self._monotonic() - self._tried_at >= _REFRESH_INTERVAL_S:
            self._renewal = asyncio.create_task(self.refresh())

    async def refresh(self) -> bool:
        """Fetch the keys, unless the last try ended less than 10 s ago; return whether it succeeded."""
        async with self._refreshing:
            if self._monotonic() - self._tried_at < _REFRESH_INTERVAL_S:
                return False
            try:
                return await self._try()
            finally:
                self._tried_at = self._monotonic()

    async def _try(self) -> bool:
        began = self._monotonic()
        try:
            async with asyncio.timeout(self._fetch_timeout_s):
                self._keys = await self._fetch()
        except (httpx.HTTPError, ValueError, PyJWTError, TimeoutError) as error:
            log.warning(
                "the JWKS could not be fetched", extra={"publisher": self._publisher, "error": type(error).__name__}
            )
            return False
        self._fetched_at = began
        return True

    async def _fetch(self) -> Sequence[PyJWK]:
        answer = await self._http.get(await self._locate(), timeout=_TIMEOUT_S)
        answer.raise_for_status()
        content = answer.json()
        if not isinstance(content, dict):
            raise ValueError("not a key set")  # noqa: TRY004 - the data is bad, not an argument's type
        return PyJWKSet.from_dict(content).keys
