"""How long a source may take: kept below the HTTP library, where no slow drip of header or body escapes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Pace:
    """The clocks of one download. Only time spent waiting for the source counts against the least rate."""

    deadline_s: float
    """On the clock of `now`."""
    silence_s: float = 30.0
    """The longest wait for one connection, handshake or read."""
    window_s: float = 30.0
    least_bytes_per_s: int = 1024
    now: Callable[[], float] = time.monotonic
    _waited_s: float = field(default=0.0, init=False)
    _bytes: int = field(default=0, init=False)

    def allowance_s(self) -> float:
        """Return how long the next wait may take; SourceUnavailable once the deadline is over."""
        left = self.deadline_s - self.now()
        if left <= 0:
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE,
                "the source did not deliver within the deadline; raise limits.deadlineSeconds if it is just slow",
            )
        return min(left, self.silence_s)

    def count(self, received_bytes: int, *, waited_s: float) -> None:
        """Take note of one read; SourceUnavailable if a whole window brought too little."""
        self._bytes += received_bytes
        self._waited_s += waited_s
        if self._waited_s < self.window_s:
            return
        if self._bytes < self.window_s * self.least_bytes_per_s:
            raise UnavailableError(
                Reason.SOURCE_UNAVAILABLE,
                f"the source sent {self._bytes} bytes in {self._waited_s:.0f} s, less than"
                f" {self.least_bytes_per_s} bytes a second",
            )
        self._bytes, self._waited_s = 0, 0.0
