"""Slots that throttle how many imports run at once: in total, per user, per source host.

Slots are shared fairly between users; among equals the import whose source expires first is next.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mediaimport_operator.observe.resource import Claim
    from mediaimport_operator.settings.operator import Caps

Order = tuple[datetime, datetime, str]
_NEVER = datetime.max.replace(tzinfo=UTC)


def order(claim: Claim) -> Order:
    """Return the sort key: earliest expiry first, then earliest creation; a source without expiry comes last."""
    return (claim.expires_at or _NEVER, claim.created_at, claim.key)


def choose(claims: Iterable[Claim], *, caps: Caps, users: Mapping[str, int], hosts: Mapping[str, int]) -> Claim | None:
    """Return the claim that is next: of the users below their cap the one with the fewest in flight, then by `order`.

    `users` and `hosts` are the numbers in flight of each.
    """
    fitting = [each for each in claims if _fits(each, caps, users=users, hosts=hosts)]
    return min(fitting, key=lambda each: (users.get(each.user, 0), order(each)), default=None)


def _fits(claim: Claim, caps: Caps, *, users: Mapping[str, int], hosts: Mapping[str, int]) -> bool:
    return not (_full(users, claim.user, caps.per_user) or _full(hosts, claim.host, caps.per_host))


def _full(held: Mapping[str, int], name: str, cap: int) -> bool:
    return bool(cap and name) and held.get(name, 0) >= cap


class Slots:
    """All slots, held and free. No slot stays free while a waiting claim fits into it."""

    def __init__(self, caps: Caps, *, on_grant: Callable[[str], None]) -> None:
        """Start with all slots free; `on_grant` gets the key of each claim that had to wait for its slot."""
        self.caps = caps
        self._on_grant = on_grant
        self._held: dict[str, Claim] = {}
        self._users: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._waiting: dict[str, Claim] = {}
        self._heaps: dict[tuple[str, str], list[Order]] = {}

    @property
    def in_flight(self) -> int:
        """The number of slots that are held."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """The number of claims that wait."""
        return len(self._waiting)

    def oldest_age_s(self, now: datetime) -> float:
        """Return the age of the oldest import that waits. Another thread may call this."""
        oldest = min((each.created_at for each in list(self._waiting.values())), default=now)
        return (now - oldest).total_seconds()

    def holds(self, key: str) -> bool:
        """Return whether that import holds a slot."""
        return key in self._held

    def wait_reason(self, claim: Claim) -> str:
        """Return the cap that keeps the claim waiting, as a message for people."""
        caps = self.caps
        if _full(self._users, claim.user, caps.per_user):
            return f"{self._users[claim.user]} of {caps.per_user} of user {claim.user} in flight"
        if _full(self._hosts, claim.host, caps.per_host):
            return f"{self._hosts[claim.host]} of {caps.per_host} from {claim.host} in flight"
        return f"{self.in_flight} of {caps.total} in flight"

    def occupy(self, claim: Claim) -> None:
        """Give a slot to an import that runs already, even beyond the caps."""
        self._waiting.pop(claim.key, None)
        if claim.key not in self._held:
            self._hold(claim)

    def request(self, claim: Claim) -> bool:
        """Queue a claim; return whether it holds a slot now."""
        if claim.key not in self._held and self._waiting.get(claim.key) != claim:
            self._waiting[claim.key] = claim
            heapq.heappush(self._heaps.setdefault(_group(claim), []), order(claim))
        self._grant(requester=claim.key)
        return claim.key in self._held

    def release(self, key: str) -> None:
        """Forget an import, and give its slot to the next claim."""
        self._waiting.pop(key, None)
        claim = self._held.pop(key, None)
        if claim is not None:
            self._count(claim, -1)
        self._grant()

    def _hold(self, claim: Claim) -> None:
        self._held[claim.key] = claim
        self._count(claim, 1)

    def _count(self, claim: Claim, change: int) -> None:
        for held, name in ((self._users, claim.user), (self._hosts, claim.host)):
            held[name] += change
            if not held[name]:
                del held[name]

    def _grant(self, requester: str | None = None) -> None:
        while self.in_flight < self.caps.total and (claim := self._next()) is not None:
            del self._waiting[claim.key]
            self._hold(claim)
            if claim.key != requester:
                self._on_grant(claim.key)

    def _next(self) -> Claim | None:
        """Return the claim that is next; only the first of each user and host is a candidate."""
        heads = [head for group in list(self._heaps) if (head := self._head(group)) is not None]
        return choose(heads, caps=self.caps, users=self._users, hosts=self._hosts)

    def _head(self, group: tuple[str, str]) -> Claim | None:
        """Return the group's first waiting claim; drop heap entries whose claims have left or changed."""
        heap = self._heaps[group]
        while heap:
            claim = self._waiting.get(heap[0][2])
            if claim is not None and _group(claim) == group and order(claim) == heap[0]:
                return claim
            heapq.heappop(heap)
        del self._heaps[group]
        return None


def _group(claim: Claim) -> tuple[str, str]:
    return claim.user, claim.host
