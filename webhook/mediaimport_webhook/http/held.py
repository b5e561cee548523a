"""Amounts of what is held at a time, for limits of one address or one user."""

from __future__ import annotations

from collections import Counter


class Held:
    """Amount of each name. A name whose amount is given back is forgotten, so that strangers' names do not stay."""

    def __init__(self) -> None:
        self._amounts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._amounts)

    def of(self, name: str) -> int:
        """Return the amount, 0 of an unknown name."""
        return self._amounts[name]

    def take(self, name: str, amount: int = 1) -> int:
        """Add to an amount and return it."""
        self._amounts[name] += amount
        return self._amounts[name]

    def give_back(self, name: str, amount: int = 1) -> None:
        """Take from an amount."""
        self._amounts[name] -= amount
        if self._amounts[name] <= 0:
            del self._amounts[name]
