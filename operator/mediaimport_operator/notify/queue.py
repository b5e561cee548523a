"""Queue of one endpoint: its messages, by the time of their next try."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_operator.notify.message import Key, Message
    from mediaimport_operator.settings.events import Endpoint

_MAX_PAUSE = timedelta(hours=1)
"""The longest wait that an endpoint may ask for by Retry-After."""
_MAX_BACKOFF_S = 300.0
"""The longest pause after tries in vain, one after the other."""


@dataclass(frozen=True, order=True)
class _Due:
    at: datetime
    number: int
    key: Key


class EndpointQueue:
    """The messages for one endpoint."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], datetime]) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._messages: dict[Key, Message] = {}
        self._heap: list[_Due] = []
        self._number = 0
        self._not_before: datetime | None = None
        self._changed = asyncio.Event()
        self._failures = 0
        self._closed = False

    def __contains__(self, key: Key) -> bool:
        """Return whether a message of that event is still to be delivered."""
        return key in self._messages

    @property
    def is_empty(self) -> bool:
        """True if no message is left."""
        return not self._messages

    def oldest_age_s(self) -> float:
        """Return the age of the oldest event that is still to be delivered; 0 without one."""
        oldest = min((each.at for each in self._messages.values()), default=None)
        return 0.0 if oldest is None else max((self._clock() - oldest).total_seconds(), 0.0)

    def holds(self, key: Key, at: datetime) -> bool:
        """Return whether a message of that event is here whose tries count from that time or later."""
        known = self._messages.get(key)
        return known is not None and known.at >= at

    def add(self, new: Message) -> None:
        """Add a message; nothing changes if it is known. Its first try is due at once, also after a restart."""
        if not self.holds(new.key, new.at):
            self._messages[new.key] = new
            self._push(new.key, self._clock())

    def remove(self, key: Key) -> None:
        """Remove a message, if it is known."""
        self._messages.pop(key, None)

    def again(self, key: Key, at: datetime) -> None:
        """Try a message again at that time."""
        if key in self._messages:
            self._push(key, at)

    def pause(self, wait_s: float) -> None:
        """Send nothing for so long, an hour at most: the endpoint has asked for it."""
        until = self._clock() + min(timedelta(seconds=wait_s), _MAX_PAUSE)
        self._not_before = until if self._not_before is None else max(self._not_before, until)

    def failed(self) -> None:
        """Pause, longer each time: an endpoint that is away must not take the place of those that are not."""
        self._failures += 1
        self.pause(min(2.0 ** min(self._failures, 16), _MAX_BACKOFF_S))

    def succeeded(self) -> None:
        """Take note that the endpoint is there again."""
        self._failures = 0

    def close(self) -> None:
        """Drop all messages; who waits for the next gets none."""
        self._messages.clear()
        self._closed = True
        self._changed.set()

    async def next(self) -> Message | None:
        """Return the next message once it is due; None once the queue is closed."""
        while not self._closed:
            while self._heap and self._heap[0].key not in self._messages:
                heapq.heappop(self._heap)
            wait_s = self._wait_s()
            if wait_s is not None and wait_s <= 0:
                return self._messages[heapq.heappop(self._heap).key]
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)
        return None

    def _wait_s(self) -> float | None:
        if not self._heap:
            return None
        due = self._heap[0].at
        due = due if self._not_before is None else max(due, self._not_before)
        return (due - self._clock()).total_seconds()

    def _push(self, key: Key, at: datetime) -> None:
        self._number += 1
        heapq.heappush(self._heap, _Due(at, self._number, key))
        self._changed.set()
