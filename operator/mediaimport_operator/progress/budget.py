"""Budget of the status writes for progress, over all imports: outcomes must not wait behind them."""

from __future__ import annotations

from dataclasses import dataclass

MAX_WRITES_PER_S = 10.0
"""An operator makes some hundred requests a second on one core. Above twenty imports, each reports less often."""


@dataclass
class WriteBudget:
    """A token bucket that holds the writes of one second."""

    per_s: float = MAX_WRITES_PER_S
    _tokens: float = 0.0
    _at_s: float = float("-inf")

    def take(self, now_s: float) -> bool:
        """Return whether one write fits into the budget now, and take it."""
        self._tokens = min(self._tokens + (now_s - self._at_s) * self.per_s, self.per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
