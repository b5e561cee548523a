"""Who may run: at most so many imports at once, in all and of one user; what expires first goes first."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Order = tuple[datetime, datetime, str]
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Claim:
    """An import that wants a slot, or holds one."""

    key: str
    user: str
    created_at: datetime
    expires_at: datetime | None = None


def order(claim: Claim) -> Order:
    """Return what to sort by: earliest expiry first, then creation; what never expires comes last."""
    return (claim.expires_at or _NEVER, claim.created_at, claim.key)


class Slots:
    """The ledger of slots. No free slot is ever left while a claim could have it."""

    def __init__(self, *, cap: int, cap_per_user: int, on_grant: Callable[[str], None]) -> None:
        """Take the caps (`cap_per_user` 0: none); `on_grant` is told the key of each claim that got a slot late."""
        self.cap = cap
        self.cap_per_user = cap_per_user or cap
        self._on_grant = on_grant
        self._held: dict[str, str] = {}
        self._held_by_user: Counter[str] = Counter()
        self._waiting: dict[str, Claim] = {}
        self._heaps: dict[str, list[Order]] = {}

    @property
    def in_flight(self) -> int:
        """Return how many slots are held."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """Return how many claims wait."""
        return len(self._waiting)

    def holds(self, key: str) -> bool:
        """Tell whether that import holds a slot."""
        return key in self._held

    def full_for(self, user: str) -> str:
        """Return why that user's next claim waits, for people."""
        held = self._held_by_user[user]
        if held >= self.cap_per_user < self.cap:
            return f"{held} of {self.cap_per_user} of user {user} in flight"
        return f"{self.in_flight} of {self.cap} in flight"

    def use(self, claim: Claim) -> None:
        """Enter an import that runs, whatever the caps say: it does run."""
        self._waiting.pop(claim.key, None)
        if claim.key not in self._held:
            self._hold(claim)

    def want(self, claim: Claim) -> bool:
        """Queue a claim; tell whether it has a slot now."""
        if claim.key not in self._held and self._waiting.get(claim.key) != claim:
            self._waiting[claim.key] = claim
            heapq.heappush(self._heaps.setdefault(claim.user, []), order(claim))
        self._grant(asking=claim.key)
        return claim.key in self._held

    def free(self, key: str) -> None:
        """Forget an import, and give its slot to who is next."""
        self._waiting.pop(key, None)
        user = self._held.pop(key, None)
        if user is not None:
            self._held_by_user[user] -= 1
        self._grant()

    def _hold(self, claim: Claim) -> None:
        self._held[claim.key] = claim.user
        self._held_by_user[claim.user] += 1

    def _grant(self, asking: str | None = None) -> None:
        while self.in_flight < self.cap and (claim := self._next()) is not None:
            del self._waiting[claim.key]
            self._hold(claim)
            if claim.key != asking:
                self._on_grant(claim.key)

    def _next(self) -> Claim | None:
        """Return the first claim of a user who is below the cap."""
        heads = [
            head
            for user in list(self._heaps)
            if self._held_by_user[user] < self.cap_per_user and (head := self._head(user)) is not None
        ]
        return min(heads, key=order, default=None)

    def _head(self, user: str) -> Claim | None:
        """Return the user's first waiting claim; drop heap entries whose claims left or changed."""
        heap = self._heaps[user]
        while heap:
            claim = self._waiting.get(heap[0][2])
            if claim is not None and claim.user == user and order(claim) == heap[0]:
                return claim
            heapq.heappop(heap)
        del self._heaps[user]
        return None
