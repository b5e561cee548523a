"""Requests that wait for a change: event streams and long polls. Each costs memory until its end, and no poll."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.http import problems
from mediaimport_webhook.http.held import Held

if TYPE_CHECKING:
    from collections.abc import Iterator

_RETRY_AFTER_S = 15


class WaitLimiter:
    """Limit of the requests of each user that wait at a time; 0 means none."""

    def __init__(self, per_user: int) -> None:
        self._per_user = per_user
        self._open = Held()

    def admit(self, user_id: str) -> None:
        """Raise a 429 Problem if the user has as many as possible."""
        if 0 < self._per_user <= self._open.of(user_id):
            detail = (
                f"{self._per_user} event streams and waiting requests are open,"
                " which is the most that one user may have."
            )
            raise problems.Problem(
                HTTPStatus.TOO_MANY_REQUESTS, "too-many-streams", detail, headers={"Retry-After": str(_RETRY_AFTER_S)}
            )

    @contextmanager
    def counted(self, user_id: str) -> Iterator[None]:
        """Count a request that waits."""
        self._open.take(user_id)
        try:
            yield
        finally:
            self._open.give_back(user_id)


async def changed_or_stopping(changed: asyncio.Event, stopping: asyncio.Event, *, timeout_s: float) -> bool:
    """Wait for a change or the server's end, and clear the change; return False if the time is up before."""
    waits = [asyncio.create_task(each.wait()) for each in (changed, stopping)]
    try:
        done, _ = await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
    changed.clear()
    return bool(done)
