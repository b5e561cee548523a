"""The schedule of the work queue: when each key is requeued, by one timer for all keys.

A timer of uvloop takes 600 bytes and four objects that the garbage collector looks through, and each finished import
has a requeue to come: for the deletion of its Job.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK = 1000
"""Entries of the heap that may be out of date, beyond as many as there are keys."""
_EARLY_S = 0.001
"""The time by which a timer may fire early: uvloop's clock counts milliseconds."""


class Schedule:
    """Keys, each with one time of the event loop at which it is due."""

    def __init__(self, on_due: Callable[[str], None]) -> None:
        """Take the function that gets each key when it is due."""
        self._on_due = on_due
        self._due_s: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """All times in `_due_s`, and those that another has replaced."""
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_s = math.inf
        """The time of the timer; uvloop's own does not always know it."""

    def due_s(self, key: str) -> float | None:
        """Return the time at which a key is due; None if it has none."""
        return self._due_s.get(key)

    def set(self, key: str, due_s: float) -> None:
        """Let a key be due at that time of the event loop, instead of any other."""
        self._due_s[key] = due_s
        heapq.heappush(self._heap, (due_s, key))
        if len(self._heap) > 2 * len(self._due_s) + _SLACK:
            self._heap = [(each_s, name) for name, each_s in self._due_s.items()]
            heapq.heapify(self._heap)
        self._wake()

    def drop(self, key: str) -> None:
        """Let a key be due no longer."""
        self._due_s.pop(key, None)

    def clear(self) -> None:
        """Drop all keys."""
        self._due_s.clear()
        self._heap.clear()
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_s = None, math.inf

    def _wake(self) -> None:
        """Set the timer for the first time in the heap, unless it comes before that."""
        if self._heap and self._heap[0][0] < self._wakes_s:
            self._stop()
            self._wakes_s = self._heap[0][0]
            self._timer = asyncio.get_running_loop().call_at(self._wakes_s, self._pop_due)

    def _pop_due(self) -> None:
        self._timer, self._wakes_s = None, math.inf
        now_s = asyncio.get_running_loop().time() + _EARLY_S
        while self._heap and self._heap[0][0] <= now_s:
            due_s, key = heapq.heappop(self._heap)
            if self._due_s.get(key) == due_s:
                del self._due_s[key]
                self._on_due(key)
        self._wake()
