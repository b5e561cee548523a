"""Signing secret that is fetched from the generator: one request at a time, and none soon after a failure."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

_FRESH_FOR = timedelta(minutes=1)
"""Least age of a secret before another request, so that forged callbacks do not each cause one."""
_COOLDOWN = timedelta(seconds=10)
"""Least time after the end of a failed request."""
_TIMEOUT_S = 10.0
"""Of a whole request: httpx limits the time of each part."""


class FetchedSecret:
    """The newest secret. `fetch` asks the generator; a Problem if it does not get one."""

    def __init__(
        self, fetch: Callable[[], Awaitable[str]], clock: Callable[[], datetime], *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._timeout_s = timeout_s
        self._fetch = fetch
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._secret: str | None = None
        self._fetched_at: datetime | None = None
        self._failed_at: datetime | None = None

    async def get(self) -> str:
        """Return the secret, however old; a Problem if there is none."""
        return self._secret or await self.fresh()

    async def fresh(self) -> str:
        """Return a secret that is at most a minute old; a Problem, 503 for ten seconds after a failure."""
        async with self._fetching:
            now = self._clock()
            if self._secret is not None and _within(_FRESH_FOR, self._fetched_at, now):
                return self._secret
            if _within(_COOLDOWN, self._failed_at, now):
                raise problems.unavailable("The generator's API", retry_after_s=int(_COOLDOWN.total_seconds()))
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._secret = await self._fetch()
            except (problems.Problem, TimeoutError) as error:
                self._failed_at = self._clock()
                raise _as_problem(error) from None
            self._fetched_at, self._failed_at = now, None
            return self._secret


def _as_problem(error: Exception) -> problems.Problem:
    return error if isinstance(error, problems.Problem) else problems.unavailable("The generator's API")


def _within(span: timedelta, then: datetime | None, now: datetime) -> bool:
    return then is not None and now - then <= span
