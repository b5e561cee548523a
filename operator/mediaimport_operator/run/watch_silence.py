"""Silence of kopf's watches: a watch of kopf may end without a word, and then only resyncs see what changes.

A watch that kopf asks for again and again, and that the API server refuses, is not lost, but silent: the next process
would be refused, too.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DEAD_S = 90.0
"""The API server sends a bookmark each minute: a connection that brings nothing for so long is dead."""
LOST_S = 180.0
"""A watch of which nothing is heard for so long, neither a line nor a request, is lost."""
_CHECK_S = 15.0


class WatchLostError(Exception):
    """kopf watches a kind no longer. The next process begins all watches again."""


class WatchSilence:
    """The last sign of life of each watch, by the path of its requests: of kopf, and of the API server."""

    def __init__(self) -> None:
        self._asked_s: dict[str, float] = {}
        self._answered_s: dict[str, float] = {}
        self._clock: Callable[[], float] = time.monotonic

    def asked(self, path: str) -> None:
        """Take note of a request of kopf's."""
        self._clock = asyncio.get_running_loop().time
        self._asked_s[path] = max(self._asked_s.get(path, 0.0), self._clock())
        self._answered_s.setdefault(path, self._clock())

    def answered(self, path: str) -> None:
        """Take note of a watch that the API server has begun, or of a line of it."""
        self.asked(path)
        self._answered_s[path] = self._clock()

    def waits(self, path: str, wait_s: float) -> None:
        """Take note that the watch's next request follows only after that time."""
        if path in self._asked_s:
            self._asked_s[path] = self._clock() + wait_s

    @property
    def longest_s(self) -> float:
        """The seconds for which the API server has not answered the most silent watch; 0 before the first."""
        return self._longest(self._answered_s)[1]

    async def keep_checking(self) -> None:
        """Raise WatchLostError for a watch that has been silent, and not been asked for, for LOST_S."""
        while True:
            await asyncio.sleep(_CHECK_S)
            path, silent_s = self._longest(self._asked_s)
            if silent_s > LOST_S:
                raise WatchLostError(f"GET {path}: the watch has been silent for {silent_s:.0f} s")

    def _longest(self, signs_s: dict[str, float]) -> tuple[str, float]:
        if not signs_s:
            return "", 0.0
        # The metric is read by another thread.
        path, sign_s = min(signs_s.copy().items(), key=lambda each: each[1])
        return path, max(0.0, self._clock() - sign_s)
