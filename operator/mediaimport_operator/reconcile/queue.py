"""Keys that wait for a pass: each at most once, never two passes of one key at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 60.0


class WorkQueue:
    """First come, first served. A key that is added while its pass runs gets another one after it."""

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        self._since: dict[str, float] = {}
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._arrival = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def oldest_age_s(self) -> float:
        """Return how long the first key has waited. May be asked by another thread, to which the queue moves on."""
        try:
            return time.monotonic() - self._since[self._ready[0]]
        except (IndexError, KeyError):
            return 0.0

    def add(self, key: str) -> None:
        """Ask for a pass as soon as possible."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = time.monotonic()
            self._ready.append(key)
            self._arrival.set()

    def add_all(self, keys: Iterable[str]) -> None:
        """Ask for a pass of each, in that order."""
        for key in keys:
            self.add(key)

    def put_first(self, keys: Iterable[str]) -> None:
        """Ask for a pass of each, in that order and before all that waits already."""
        chosen = list(dict.fromkeys(key for key in keys if key not in self._running))
        now, first = time.monotonic(), set(chosen)
        self._ready = deque([*chosen, *(key for key in self._ready if key not in first)])
        self._since = {key: self._since.get(key, now) for key in self._ready}
        self._arrival.set()

    async def get(self) -> str | None:
        """Return the next key, waiting for one; None once the queue is closed."""
        while not self._ready and not self._closed:
            self._arrival.clear()
            await self._arrival.wait()
        if self._closed:
            return None
        key = self._ready.popleft()
        del self._since[key]
        self._running.add(key)
        return key

    def done(self, key: str, *, wake_in_s: float | None = None) -> None:
        """End a pass that succeeded. Its wish for the next one replaces any former wish."""
        self._failures.pop(key, None)
        self._schedule(key, wake_in_s)
        self._finish(key)

    def failed(self, key: str) -> float:
        """End a pass that failed; return after how many seconds it is tried again."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        wait_s = float(min(_FIRST_RETRY_S * 2 ** min(count, 16), _LONGEST_RETRY_S))
        self._schedule(key, wait_s)
        self._finish(key)
        return wait_s

    def close(self) -> None:
        """Hand out no more keys."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._arrival.set()

    def _finish(self, key: str) -> None:
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _schedule(self, key: str, wait_s: float | None) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if wait_s is not None and not self._closed:
            self._timers[key] = asyncio.get_running_loop().call_later(max(wait_s, 0), self._due, key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)
