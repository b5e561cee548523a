"""Slots that throttle how many imports run at once: in total, per user, per source host.

Slots are shared fairly between users; among equals the import whose source expires first is next.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from mediaimport_operator.observe.resource import Claim
    from mediaimport_operator.settings.operator import Caps

Order = tuple[datetime, datetime, str]
_UserRank = tuple[int, Order]
"""Imports in flight, then the order of the first claim that waits."""
Rank = TypeVar("Rank", datetime, Order, _UserRank)
_SLACK = 1000
"""Names of granted claims that a ranking may hold, behind one that waits for long."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def order(claim: Claim) -> Order:
    """Return the sort key: earliest expiry first, then earliest creation; a source without expiry comes last."""
    return (claim.expires_at or _NEVER, claim.created_at, claim.key)


def _full(held: Mapping[str, int], name: str, cap: int) -> bool:
    return bool(cap and name) and held.get(name, 0) >= cap


class Ranking(Generic[Rank]):
    """Names by rank, the least first, in O(log n).

    A rank that grows is corrected only when its name comes first; one that shrinks has to be offered.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Rank, str]] = []
        self._ranks: dict[str, Rank] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def keep_only(self, names: Container[str]) -> None:
        """Drop all names but these."""
        self._ranks = {name: rank for name, rank in self._ranks.items() if name in names}
        self._heap = [(rank, name) for name, rank in self._ranks.items()]
        heapq.heapify(self._heap)

    def offer(self, name: str, rank: Rank) -> None:
        """Add a name, or move it forward; a rank that is greater than the known one changes nothing yet."""
        known = self._ranks.get(name)
        if known is None or rank < known:
            self._ranks[name] = rank
            heapq.heappush(self._heap, (rank, name))

    def first(self, rank_of: Callable[[str], Rank | None]) -> str | None:
        """Return the first name by its rank now; one without a rank is dropped until it is offered again."""
        while self._heap:
            known, name = self._heap[0]
            if self._ranks.get(name) != known:
                heapq.heappop(self._heap)
                continue
            rank = rank_of(name)
            if rank == known:
                return name
            heapq.heappop(self._heap)
            del self._ranks[name]
            if rank is not None:
                self.offer(name, rank)
        return None


class WaitingLine:
    """The claims that wait. The next one is of the user with the fewest imports in flight, then by `order`.

    Three levels of rankings: claims of a user and a host, users of a host, hosts. A full host or user is dropped from
    its ranking until it has room again. Without a cap per host all claims count as one host's.

    A user is listed under the first few hosts only: one more than can be full while a slot is free.
    """

    def __init__(self, caps: Caps, *, users: Mapping[str, int], hosts: Mapping[str, int]) -> None:
        """Take the numbers in flight of each user and host, which the caller keeps up to date."""
        self._caps = caps
        self._in_flight, self._held_by_host = users, hosts
        self._enough_hosts = 1 + ((caps.total - 1) // caps.per_host if caps.per_host else 0)
        self._claims: dict[str, Claim] = {}
        self._of_group: dict[tuple[str, str], Ranking[Order]] = {}
        self._of_host: dict[str, Ranking[_UserRank]] = {}
        self._hosts: Ranking[_UserRank] = Ranking()
        self._listed: dict[str, set[str]] = {}
        self._unlisted: dict[str, Ranking[Order]] = {}
        self._oldest: Ranking[datetime] = Ranking()
        self.oldest_at: datetime | None = None

    def __len__(self) -> int:
        return len(self._claims)

    def get(self, key: str) -> Claim | None:
        """Return the claim that waits for that import."""
        return self._claims.get(key)

    def add(self, claim: Claim) -> None:
        """Add a claim, instead of another of its import."""
        self._claims[claim.key] = claim
        user, host = claim.user, self._host(claim)
        self._of_group.setdefault((user, host), Ranking()).offer(claim.key, order(claim))
        if host in self._listed.setdefault(user, set()):
            self._offer(user, host)
        else:
            self._unlisted.setdefault(user, Ranking()).offer(host, order(claim))
        self._list(user)
        self._oldest.offer(claim.key, claim.created_at)
        self._note_oldest()

    def remove(self, key: str) -> None:
        """Remove the claim of that import, if it waits."""
        claim = self._claims.pop(key, None)
        if claim is not None:
            self._list(claim.user)
            self._note_oldest()

    def first(self) -> Claim | None:
        """Return the claim that is next; None if none fits under the caps."""
        host = self._hosts.first(self._host_rank)
        user = None if host is None else self._of_host[host].first(lambda each: self._user_rank(each, host))
        key = None if user is None or host is None else self._first_key(user, host)
        return None if key is None else self._claims[key]

    def freed(self, claim: Claim) -> None:
        """Consider the user and the host of a released slot again."""
        for host in list(self._listed.get(claim.user, ())):
            self._offer(claim.user, host)
        host = self._host(claim)
        if (rank := self._host_rank(host)) is not None:
            self._hosts.offer(host, rank)

    def _offer(self, user: str, host: str) -> None:
        rank = self._user_rank(user, host)
        if rank is not None:
            self._of_host.setdefault(host, Ranking()).offer(user, rank)
            self._hosts.offer(host, rank)

    def _host_rank(self, host: str) -> _UserRank | None:
        """Return the rank of the host's first user; None if the host is full, or no claim of it fits."""
        users = self._of_host.get(host)
        if users is None or _full(self._held_by_host, host, self._caps.per_host):
            return None
        user = users.first(lambda each: self._user_rank(each, host))
        if user is None:
            del self._of_host[host]
            return None
        return self._user_rank(user, host)

    def _user_rank(self, user: str, host: str) -> _UserRank | None:
        """Return the rank of the user's first claim on that host; None if the user is full, or has no claim there."""
        first = self._first_order(user, host)
        if first is None or host not in self._listed.get(user, ()) or _full(self._in_flight, user, self._caps.per_user):
            return None
        return self._in_flight.get(user, 0), first

    def _first_order(self, user: str, host: str) -> Order | None:
        key = self._first_key(user, host)
        return None if key is None else order(self._claims[key])

    def _first_key(self, user: str, host: str) -> str | None:
        group = self._of_group.get((user, host))
        key = None if group is None else group.first(lambda each: self._order_in(each, user, host))
        if key is None and group is not None:
            del self._of_group[user, host]
        return key

    # --- the hosts under which a user is listed ---

    def _list(self, user: str) -> None:
        """List the user under enough of the hosts whose claims come first; not under many more."""
        listed, unlisted = self._listed[user], self._unlisted.get(user)
        if unlisted is None:  # pragma: no branch - a user that is listed has a ranking of other hosts, if an empty one
            return
        orders = {host: first for host in listed if (first := self._first_order(user, host)) is not None}
        while (host := unlisted.first(lambda each: self._unlisted_order(user, each))) is not None:
            first = self._first_order(user, host)
            if first is None or sum(each < first for each in orders.values()) >= self._enough_hosts:
                break
            orders[host] = first
            listed.add(host)
            self._offer(user, host)
        if len(listed) > 2 * self._enough_hosts:
            self._unlist(user, orders)
        if not orders:
            del self._listed[user], self._unlisted[user]

    def _unlist(self, user: str, orders: dict[str, Order]) -> None:
        """Keep the user listed under the first hosts only."""
        hosts = sorted(orders, key=orders.__getitem__)
        self._listed[user] = set(hosts[: self._enough_hosts])
        for host in hosts[self._enough_hosts :]:
            self._unlisted[user].offer(host, orders[host])

    def _unlisted_order(self, user: str, host: str) -> Order | None:
        return None if host in self._listed[user] else self._first_order(user, host)

    # --- claims ---

    def _order_in(self, key: str, user: str, host: str) -> Order | None:
        """Return the order of a claim that waits in that group; None if it has left it."""
        claim = self._claims.get(key)
        return order(claim) if claim is not None and (claim.user, self._host(claim)) == (user, host) else None

    def _host(self, claim: Claim) -> str:
        return claim.host if self._caps.per_host else ""

    def _note_oldest(self) -> None:
        """Keep the creation of the oldest claim where another thread may read it."""
        if len(self._oldest) > 2 * len(self._claims) + _SLACK:
            self._oldest.keep_only(self._claims)
        key = self._oldest.first(lambda each: self._claims[each].created_at if each in self._claims else None)
        self.oldest_at = None if key is None else self._claims[key].created_at


class Slots:
    """All slots, held and free. No slot stays free while a waiting claim fits into it."""

    def __init__(self, caps: Caps, *, on_grant: Callable[[str], None]) -> None:
        """Start with all slots free; `on_grant` gets the key of each claim that had to wait for its slot."""
        self.caps = caps
        self._on_grant = on_grant
        self._held: dict[str, Claim] = {}
        self._users: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._line = WaitingLine(caps, users=self._users, hosts=self._hosts)

    @property
    def in_flight(self) -> int:
        """The number of slots that are held."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """The number of claims that wait."""
        return len(self._line)

    def oldest_age_s(self, now: datetime) -> float:
        """Return the age of the oldest import that waits. Another thread may call this."""
        return (now - (self._line.oldest_at or now)).total_seconds()

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
        self._line.remove(claim.key)
        if claim.key not in self._held:
            self._hold(claim)

    def request(self, claim: Claim) -> bool:
        """Queue a claim; return whether it holds a slot now."""
        if claim.key not in self._held and self._line.get(claim.key) != claim:
            self._line.add(claim)
        self._grant(requester=claim.key)
        return claim.key in self._held

    def release(self, key: str) -> None:
        """Forget an import, and give its slot to the next claim."""
        self._line.remove(key)
        claim = self._held.pop(key, None)
        if claim is not None:
            self._count(claim, -1)
            self._line.freed(claim)
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
        while self.in_flight < self.caps.total and (claim := self._line.first()) is not None:
            self._line.remove(claim.key)
            self._hold(claim)
            if claim.key != requester:
                self._on_grant(claim.key)
