"""The work queue: keys that wait for a reconcile, each at most once, with backoff after failures."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import MAX_NAMED_WAIT_S

from mediaimport_operator.reconcile.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

_INITIAL_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 60.0
DEBOUNCE_S = 0.2
"""The least time from the end of a key's reconcile to its next one: a pod that starts or ends changes several times
within it, and one reconcile reads all of that."""


class WorkQueue:
    """First in, first out. No key is reconciled twice at a time, or twice within DEBOUNCE_S.

    One that is added meanwhile is requeued: a debounce delays a reconcile, and drops none.
    """

    def __init__(self, *, debounce_s: float = DEBOUNCE_S) -> None:
        """Take the debounce in seconds; 0 turns it off."""
        self._debounce_s = debounce_s
        self._ready: deque[str] = deque()
        self._since: dict[str, float] = {}
        self._running: set[str] = set()
        self._resting: dict[str, asyncio.TimerHandle] = {}
        self._added_meanwhile: set[str] = set()
        """Keys that were added while they were reconciled, or rested."""
        self._requeues = Schedule(self.add)
        self._failures: dict[str, int] = {}
        self._waiting = asyncio.Semaphore(0)
        """The number of keys in `_ready`: each wakes one worker. An Event would wake all of them."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def oldest_age_s(self) -> float:
        """The time that the first key has waited. Another thread may read it while the queue changes."""
        try:
            return time.monotonic() - self._since[self._ready[0]]
        except (IndexError, KeyError):
            return 0.0

    def add(self, key: str) -> None:
        """Queue a reconcile as soon as possible."""
        if key in self._running or key in self._resting:
            self._added_meanwhile.add(key)
        elif key not in self._since:
            self._since[key] = time.monotonic()
            self._ready.append(key)
            self._waiting.release()

    def add_all(self, keys: Iterable[str]) -> None:
        """Queue a reconcile of each key, in that order."""
        for key in keys:
            self.add(key)

    def add_all_first(self, keys: Iterable[str]) -> None:
        """Queue a reconcile of each key, in that order and before all that wait already."""
        asked = list(dict.fromkeys(keys))
        busy = {key for key in asked if key in self._running or key in self._resting}
        self._added_meanwhile |= busy
        chosen = [key for key in asked if key not in busy]
        now, first = time.monotonic(), set(chosen)
        self._ready = deque([*chosen, *(key for key in self._ready if key not in first)])
        for key in first - self._since.keys():
            self._since[key] = now
            self._waiting.release()

    async def get(self) -> str | None:
        """Return the next key, waiting for one; None once the queue is closed."""
        await self._waiting.acquire()
        if self._closed:
            # The next worker that waits hears of it, too.
            self._waiting.release()
            return None
        key = self._ready.popleft()
        del self._since[key]
        self._running.add(key)
        return key

    def done(self, key: str, *, requeue_in_s: float | None = None) -> None:
        """End a reconcile that succeeded. Its requeue replaces the one of any reconcile before it."""
        self._failures.pop(key, None)
        self._schedule(key, requeue_in_s)
        self._finish(key)

    def failed(self, key: str, *, named_wait_s: float = 0) -> float:
        """End a reconcile that failed; return the backoff in seconds after which it is requeued.

        It is not shorter than the wait that the API server has named.
        """
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        backoff_s = float(min(_INITIAL_BACKOFF_S * 2 ** min(count, 16), _MAX_BACKOFF_S))
        backoff_s = max(backoff_s, min(named_wait_s, MAX_NAMED_WAIT_S))
        self._schedule(key, backoff_s)
        self._finish(key)
        return backoff_s

    def requeue_if_running(self, key: str) -> None:
        """Requeue a key whose reconcile has ended without a result: its worker was cancelled, or died."""
        if key in self._running:
            self._added_meanwhile.add(key)
            self._finish(key)

    @property
    def closed(self) -> bool:
        """True once no more keys are returned."""
        return self._closed

    def failures(self, key: str) -> int:
        """Return how many reconciles of that key have failed since the last success."""
        return self._failures.get(key, 0)

    def requeue_s(self, key: str) -> float | None:
        """Return the time of the event loop at which a key is requeued; None if it has no requeue."""
        return self._requeues.due_s(key)

    def close(self) -> None:
        """Return no more keys."""
        self._closed = True
        self._requeues.clear()
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()
        self._waiting.release()

    def _finish(self, key: str) -> None:
        self._running.discard(key)
        if self._debounce_s <= 0:
            self._rested(key)
        elif not self._closed:
            self._resting[key] = asyncio.get_running_loop().call_later(self._debounce_s, self._rested, key)

    def _rested(self, key: str) -> None:
        self._resting.pop(key, None)
        if key in self._added_meanwhile:
            self._added_meanwhile.discard(key)
            self.add(key)

    def _schedule(self, key: str, wait_s: float | None) -> None:
        if wait_s is None or self._closed:
            self._requeues.drop(key)
        else:
            self._requeues.set(key, asyncio.get_running_loop().time() + max(wait_s, 0))
