"""A few at a time, first come, first served; who would wait for too long is told so at once, and comes again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_COME_AGAIN_S = 5


class Turns:
    """Turns at something that does less, not more, when more ask of it at once."""

    def __init__(self, at_once: int, *, patience_s: float) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._patience_s = patience_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and have it; UnavailableError for whom it takes longer than patience lasts."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._places.acquire()
        except TimeoutError:
            raise UnavailableError("more at once than can be kept", retry_after_s=_COME_AGAIN_S) from None
        try:
            yield
        finally:
            self._places.release()
