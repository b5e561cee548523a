"""How often each user may ask."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BURST_S = 2
"""What a user may ask at once: that many seconds' worth."""
_MOST_USERS = 10_000


class RateLimit:
    """A bucket of tokens for each user, in this process alone: N replicas let N times as much through."""

    def __init__(self, per_second: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, user_id: str) -> int:
        """Take a token and return 0, or return how many whole seconds there will be none."""
        now, full = self._monotonic(), float(self._per_second * _BURST_S)
        left, since = self._buckets.get(user_id, (full, now))
        left = min(full, left + (now - since) * self._per_second)
        enough = left >= 1
        self._keep(user_id, (left - 1 if enough else left, now))
        return 0 if enough else math.ceil((1 - left) / self._per_second)

    def _keep(self, user_id: str, bucket: tuple[float, float]) -> None:
        self._buckets[user_id] = bucket
        self._buckets.move_to_end(user_id)
        if len(self._buckets) > _MOST_USERS:
            self._buckets.popitem(last=False)
