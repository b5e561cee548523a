"""Slots that throttle how many imports run at once: in total, per user, per source host.

Slots are shared fairly between users; among equals the import whose source expires first is next.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping

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


def _key(rank: _UserRank) -> str:
    """Return the key of the claim that has that rank."""
    return rank[1][2]


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

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranks)

    def known(self, name: str) -> Rank | None:
        """Return the rank by which a name was offered, which is at most its rank now."""
        return self._ranks.get(name)

    def first_rank(self, rank_of: Callable[[str], Rank | None]) -> Rank | None:
        """Return the rank of the first name."""
        name = self.first(rank_of)
        return None if name is None else self._ranks[name]

    def drop(self, name: str) -> None:
        """Drop a name until it is offered again."""
        self._ranks.pop(name, None)

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

    Rankings: claims of a user and a host, the hosts of a user, users. A full host is parked where it stands first among
    a user's: it leaves the user's hosts, and the user joins those who wait for it. The best of those is considered next
    to the first of all users once the host has room. Without a cap per host all claims count as one host's.

    No more hosts are full than there are slots: only they cost more than O(log n), a comparison each.
    """

    def __init__(self, caps: Caps, *, users: Mapping[str, int], hosts: Mapping[str, int]) -> None:
        """Take the numbers in flight of each user and host, which the caller keeps up to date."""
        self._caps = caps
        self._in_flight, self._held_by_host = users, hosts
        self._claims: dict[str, Claim] = {}
        self._waiting: Counter[str] = Counter()
        self._of_group: dict[tuple[str, str], Ranking[Order]] = {}
        self._hosts_of: dict[str, Ranking[Order]] = {}
        self._users: Ranking[_UserRank] = Ranking()
        self._parked: dict[str, set[str]] = {}
        """The parked hosts of each user."""
        self._parked_at: dict[str, Ranking[_UserRank]] = {}
        """The users who wait for each of them."""
        self._open: Ranking[_UserRank] = Ranking()
        """Hosts with room for which somebody waits."""
        self._oldest: Ranking[datetime] = Ranking()
        self.oldest_at: datetime | None = None

    def __len__(self) -> int:
        return len(self._claims)

    def get(self, key: str) -> Claim | None:
        """Return the claim that waits for that import."""
        return self._claims.get(key)

    def add(self, claim: Claim) -> None:
        """Add a claim, instead of another of its import."""
        self._forget(claim.key)
        self._claims[claim.key] = claim
        user, host = claim.user, self._host(claim)
        self._waiting[user] += 1
        self._of_group.setdefault((user, host), Ranking()).offer(claim.key, order(claim))
        if host in self._parked.get(user, ()):
            self._offer_parked(user, host)
            self._offer_host(host)
        else:
            self._hosts_of.setdefault(user, Ranking()).offer(host, order(claim))
            self._offer_user(user)
        self._oldest.offer(claim.key, claim.created_at)
        self._note_oldest()

    def remove(self, key: str) -> None:
        """Remove the claim of that import, if it waits."""
        if self._forget(key):
            self._note_oldest()

    def first(self) -> Claim | None:
        """Return the claim that is next; None if none fits under the caps."""
        ranks = (self._users.first_rank(self._user_rank), self._open.first_rank(self._host_rank))
        rank = min((each for each in ranks if each is not None), default=None)
        return None if rank is None else self._claims[_key(rank)]

    def freed(self, claim: Claim) -> None:
        """Consider the user and the host of a released slot again."""
        for host in list(self._parked.get(claim.user, ())):
            if not self._is_full(host):
                self._unpark(claim.user, host)
            elif not self._is_known(claim.user, host):
                self._offer_parked(claim.user, host)
        self._offer_user(claim.user)
        self._offer_host(self._host(claim))

    def _forget(self, key: str) -> bool:
        """Forget a claim, and the user with the last one; return whether there was one."""
        claim = self._claims.pop(key, None)
        if claim is None:
            return False
        self._waiting[claim.user] -= 1
        if not self._waiting[claim.user]:
            del self._waiting[claim.user]
            for host in (*self._hosts_of.pop(claim.user, Ranking()), *self._parked.pop(claim.user, ())):
                self._of_group.pop((claim.user, host), None)
        return True

    # --- users, by the first host of each that has room ---

    def _offer_user(self, user: str) -> None:
        if (rank := self._user_rank(user)) is not None:
            self._users.offer(user, rank)

    def _user_rank(self, user: str) -> _UserRank | None:
        """Return the rank of the user's first claim on a host that has room; None if the user is full."""
        host = None if _full(self._in_flight, user, self._caps.per_user) else self._first_host(user)
        return None if host is None else self._rank(user, host)

    def _first_host(self, user: str) -> str | None:
        """Return the user's first host that has room; full ones before it are parked."""
        hosts = self._hosts_of.get(user, Ranking())
        while (host := hosts.first(lambda each: self._first_order(user, each))) is not None and self._is_full(host):
            hosts.drop(host)
            self._parked.setdefault(user, set()).add(host)
            self._offer_parked(user, host)
        return host

    # --- hosts, by the first user who waits for room ---

    def _is_full(self, host: str) -> bool:
        return _full(self._held_by_host, host, self._caps.per_host)

    def _offer_host(self, host: str) -> None:
        if (rank := self._host_rank(host)) is not None:
            self._open.offer(host, rank)

    def _host_rank(self, host: str) -> _UserRank | None:
        """Return the rank of the first user who waits for that host; None if it has no room."""
        user = None if self._is_full(host) else self._first_parked(host)
        return None if user is None else self._parked_rank(user, host)

    def _first_parked(self, host: str) -> str | None:
        users = self._parked_at.get(host)
        user = None if users is None else users.first(lambda each: self._parked_rank(each, host))
        if user is None and users is not None:
            del self._parked_at[host]
        return user

    def _parked_rank(self, user: str, host: str) -> _UserRank | None:
        """Return the rank of a user who waits for that host; None for one who is full, or waits for it no more."""
        parked = host in self._parked.get(user, ())
        return None if not parked or _full(self._in_flight, user, self._caps.per_user) else self._rank(user, host)

    def _offer_parked(self, user: str, host: str) -> None:
        """Let the user wait for that host, also one who is full: their claims there may change until they are not."""
        rank, users = self._rank(user, host), self._parked_at.setdefault(host, Ranking())
        if rank is not None:
            known = users.known(user) or rank
            # Each part of what is known is at most the part of the rank: `_is_known` compares only one.
            users.offer(user, (min(rank[0], known[0]), min(rank[1], known[1])))

    def _is_known(self, user: str, host: str) -> bool:
        """Return whether a user who has one import less in flight is not moved forward by that."""
        known = self._parked_at[host].known(user) if host in self._parked_at else None
        return known is not None and known[0] <= self._in_flight.get(user, 0)

    def _unpark(self, user: str, host: str) -> None:
        """Return a host that has room to its user's others."""
        self._parked[user].discard(host)
        if (first := self._first_order(user, host)) is not None:
            self._hosts_of.setdefault(user, Ranking()).offer(host, first)

    # --- claims ---

    def _rank(self, user: str, host: str) -> _UserRank | None:
        first = self._first_order(user, host)
        return None if first is None else (self._in_flight.get(user, 0), first)

    def _first_order(self, user: str, host: str) -> Order | None:
        key = self._first_key(user, host)
        return None if key is None else order(self._claims[key])

    def _first_key(self, user: str, host: str) -> str | None:
        group = self._of_group.get((user, host))
        key = None if group is None else group.first(lambda each: self._order_in(each, user, host))
        if key is None and group is not None:
            del self._of_group[user, host]
        return key

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
