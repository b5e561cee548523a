from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_operator.decide.limits import Ranking, Slots, order
from mediaimport_operator.observe.resource import Claim
from mediaimport_operator.settings.operator import Caps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def claim(key: str, *, user: str = "ada", created: int = 0, expires: int | None = None, host: str = "h") -> Claim:
    return Claim(
        key=key,
        user=user,
        host=host,
        created_at=NOON + timedelta(seconds=created),
        expires_at=None if expires is None else NOON + timedelta(seconds=expires),
    )


def ledger(cap: int = 1, per_user: int = 0, per_host: int = 0) -> tuple[Slots, list[str]]:
    granted: list[str] = []
    return Slots(Caps(cap, per_user, per_host), on_grant=granted.append), granted


claims = st.lists(
    st.builds(
        claim,
        key=st.uuids().map(str),
        user=st.sampled_from("abc"),
        created=st.integers(0, 5),
        expires=st.none() | st.integers(0, 5),
        host=st.sampled_from(("h", "i", "")),
    ),
    unique_by=lambda each: each.key,
    max_size=30,
)


def test_free_slot_is_granted_at_once() -> None:
    slots, granted = ledger()
    assert slots.request(claim("a"))
    assert not slots.request(claim("b"))
    assert granted == []


def test_released_slot_is_granted_to_the_next_claim() -> None:
    slots, granted = ledger()
    slots.request(claim("a"))
    slots.request(claim("b"))
    slots.release("a")
    assert granted == ["b"]
    assert slots.holds("b")


def test_running_import_holds_its_slot_beyond_the_cap() -> None:
    slots, _ = ledger(cap=1)
    slots.occupy(claim("a"))
    slots.occupy(claim("b"))
    assert (slots.in_flight, slots.request(claim("c"))) == (2, False)
    slots.release("a")
    assert not slots.holds("c")


def test_claim_that_was_released_is_not_granted() -> None:
    slots, granted = ledger()
    slots.request(claim("a"))
    slots.request(claim("b"))
    slots.release("b")
    slots.release("a")
    assert (granted, slots.in_flight, slots.waiting) == ([], 0, 0)


def test_second_request_changes_nothing() -> None:
    slots, granted = ledger()
    for _ in range(3):
        slots.request(claim("a"))
        slots.request(claim("b"))
    slots.release("a")
    slots.release("b")
    assert (granted, slots.in_flight) == (["b"], 0)


def test_user_at_the_cap_does_not_block_other_users() -> None:
    slots, _ = ledger(cap=3, per_user=1)
    assert slots.request(claim("a", user="ada"))
    assert not slots.request(claim("b", user="ada"))
    assert slots.request(claim("c", user="bob"))
    assert slots.wait_reason(claim("b", user="ada")) == "1 of 1 of user ada in flight"


@given(claims)
def test_slots_are_granted_in_order(waiting: list[Claim]) -> None:
    slots, granted = ledger(cap=1)
    slots.occupy(claim("first", user="z"))
    for each in waiting:
        slots.request(each)
    current = "first"
    for _ in waiting:
        slots.release(current)
        current = granted[-1]
    assert granted == [each.key for each in sorted(waiting, key=order)]


@given(claims, st.builds(Caps, st.integers(1, 5), st.integers(0, 3), st.integers(0, 3)), st.data())
def test_caps_hold_and_no_slot_stays_idle(pool: list[Claim], caps: Caps, data: st.DataObject) -> None:
    cap, per_user, per_host = caps.total, caps.per_user or caps.total, caps.per_host or caps.total
    slots, _ = ledger(cap, caps.per_user, caps.per_host)
    requested: dict[str, Claim] = {}
    for _ in range(len(pool) * 2):
        each = data.draw(st.sampled_from(pool))
        if data.draw(st.booleans()):
            slots.request(each)
            requested[each.key] = each
        else:
            slots.release(each.key)
            requested.pop(each.key, None)
        held = [one for one in requested.values() if slots.holds(one.key)]
        users, hosts = [one.user for one in held], [one.host for one in held if one.host]
        assert len(held) == slots.in_flight <= cap
        assert all(users.count(user) <= per_user for user in set(users))
        assert all(hosts.count(host) <= per_host for host in set(hosts))
        idle = [
            one
            for one in requested.values()
            if not slots.holds(one.key) and users.count(one.user) < per_user and hosts.count(one.host) < per_host
        ]
        assert slots.in_flight == cap or idle == []
        assert slots.waiting == len(requested) - len(held)


@given(claims)
def test_the_earliest_expiry_comes_first_then_the_oldest(pool: list[Claim]) -> None:
    ordered = sorted(pool, key=order)
    for before, after in pairwise(ordered):
        if before.expires_at == after.expires_at:
            assert before.created_at <= after.created_at
        else:
            assert before.expires_at is not None
            assert after.expires_at is None or before.expires_at < after.expires_at


def test_host_at_the_cap_does_not_block_other_hosts() -> None:
    slots, granted = ledger(cap=3, per_host=1)
    assert slots.request(claim("a", host="slow.example"))
    assert not slots.request(claim("b", host="slow.example"))
    assert slots.request(claim("c", host="other.example"))
    assert slots.wait_reason(claim("b", host="slow.example")) == "1 of 1 from slow.example in flight"
    slots.release("a")
    assert granted == ["b"]


def test_room_on_a_host_goes_to_another_users_claim() -> None:
    slots, granted = ledger(cap=3, per_host=1)
    slots.request(claim("a", user="ada", host="slow.example"))
    slots.request(claim("b", user="bob", host="slow.example"))
    slots.release("a")
    assert granted == ["b"]


def test_data_uris_have_no_host_and_no_cap_of_one() -> None:
    slots, _ = ledger(cap=3, per_host=1)
    assert slots.request(claim("a", host=""))
    assert slots.request(claim("b", host=""))


def test_one_users_thousand_imports_do_not_hold_up_anothers_one() -> None:
    slots, granted = ledger(cap=4)
    for number in range(1000):
        slots.request(claim(f"many-{number:04}", user="ada", expires=number))
    slots.request(claim("one", user="bob", expires=5000))
    slots.release("many-0000")
    assert granted == ["one"]


def choose(claims: Iterable[Claim], *, caps: Caps, users: Mapping[str, int], hosts: Mapping[str, int]) -> Claim | None:
    """The rule in one sentence: of the users below their cap the one with the fewest in flight, then by `order`."""

    def full(held: Mapping[str, int], name: str, cap: int) -> bool:
        return bool(cap and name) and held.get(name, 0) >= cap

    fitting = [
        each for each in claims if not (full(users, each.user, caps.per_user) or full(hosts, each.host, caps.per_host))
    ]
    return min(fitting, key=lambda each: (users.get(each.user, 0), order(each)), default=None)


class Rule:
    """Slots by the rule, which looks at every claim for every grant."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.waiting: dict[str, Claim] = {}
        self.held: dict[str, Claim] = {}
        self.granted: list[str] = []

    def apply(self, kind: str, claim: Claim) -> None:
        if kind != "request" or claim.key not in self.held:
            self.waiting.pop(claim.key, None)
        if kind == "request" and claim.key not in self.held:
            self.waiting[claim.key] = claim
        elif kind == "occupy":
            self.held.setdefault(claim.key, claim)
            return
        elif kind == "release":
            self.held.pop(claim.key, None)
        while len(self.held) < self.caps.total and (chosen := self._next()) is not None:
            self.held[chosen.key] = self.waiting.pop(chosen.key)
            if (kind, chosen.key) != ("request", claim.key):
                self.granted.append(chosen.key)

    def _next(self) -> Claim | None:
        users = [each.user for each in self.held.values()]
        hosts = [each.host for each in self.held.values()]
        counts = {each: users.count(each) for each in users}, {each: hosts.count(each) for each in hosts}
        return choose(self.waiting.values(), caps=self.caps, users=counts[0], hosts=counts[1])


crowds = st.lists(
    st.builds(
        claim,
        key=st.sampled_from([f"key-{number}" for number in range(12)]),
        user=st.sampled_from(("a", "b", "c", "")),
        created=st.integers(0, 3),
        expires=st.none() | st.integers(0, 3),
        host=st.sampled_from(("h", "i", "j", "k", "l", "")),
    ),
    min_size=1,
    max_size=30,
)


@given(
    st.lists(st.tuples(st.sampled_from(("request", "request", "release", "occupy")), st.integers(0, 29)), max_size=80),
    crowds,
    st.builds(Caps, st.integers(1, 4), st.integers(0, 2), st.integers(0, 2)),
)
def test_each_grant_is_the_one_of_the_rule(steps: list[tuple[str, int]], pool: list[Claim], caps: Caps) -> None:
    granted: list[str] = []
    slots, rule = Slots(caps, on_grant=granted.append), Rule(caps)
    for kind, number in steps:
        each = pool[number % len(pool)]
        if kind == "release":
            slots.release(each.key)
        elif kind == "occupy":
            slots.occupy(each)
        else:
            slots.request(each)
        rule.apply(kind, each)
        assert granted == rule.granted
        assert {one.key for one in pool if slots.holds(one.key)} == set(rule.held)
        assert slots.waiting == len(rule.waiting)
        oldest = min((one.created_at for one in rule.waiting.values()), default=NOON + timedelta(hours=1))
        assert slots.oldest_age_s(NOON + timedelta(hours=1)) == (NOON + timedelta(hours=1) - oldest).total_seconds()


MOVED_CLAIM = """
request a ada h1 1 4
request b bob h0 0 -
request c eve h1 4 2
release a ada h1 1 4
request d bob h1 5 -
request e eve h1 0 1
request f eve h0 3 1
request g eve h0 1 -
request e bob h0 3 -
release c eve h1 4 2
"""
CLAIM_OF_A_FULL_USER = """
request a ada h1 2 -
request b bob h0 0 -
request c eve h0 5 -
occupy d eve h0 4 -
request e eve h0 0 0
request f joe h0 2 2
release d eve h0 4 -
release b bob h0 0 -
"""
CLAIM_BEFORE_ONE_ON_A_FULL_HOST = """
request a ada h1 5 -
request b bob h0 2 1
request c bob h0 1 0
request d bob h1 5 -
request e eve h1 1 5
release b bob h0 2 1
request f bob h1 0 2
release c bob h0 1 0
request g joe h0 3 -
release a ada h1 5 -
"""


@pytest.mark.parametrize(
    ("events", "caps"),
    [
        (MOVED_CLAIM, Caps(2, 0, 2)),
        (CLAIM_OF_A_FULL_USER, Caps(3, 1, 1)),
        (CLAIM_BEFORE_ONE_ON_A_FULL_HOST, Caps(7, 0, 1)),
    ],
)
def test_claim_that_comes_later_or_moves_is_granted_by_the_rule(events: str, caps: Caps) -> None:
    granted: list[str] = []
    slots, rule = Slots(caps, on_grant=granted.append), Rule(caps)
    for line in events.split("\n")[1:-1]:
        kind, key, user, host, created, expires = line.split()
        each = claim(key, user=user, host=host, created=int(created), expires=None if expires == "-" else int(expires))
        if kind == "release":
            slots.release(key)
        else:
            (slots.request if kind == "request" else slots.occupy)(each)
        rule.apply(kind, each)
        assert granted == rule.granted


def calls(work: Callable[[], object]) -> int:
    """The number of Python calls that some work takes: its cost on any machine."""
    count = 0

    def on_event(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(on_event)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def crowded(count: int, *, users: int, hosts: int, per_host: int, cap: int = 10) -> Slots:
    slots, _ = ledger(cap=cap, per_host=per_host)
    draw = random.Random(1)  # noqa: S311 - the same load each time
    for number in range(count):
        user, host = f"user-{draw.randrange(users)}", f"host-{draw.randrange(hosts)}"
        slots.request(claim(f"film-{number}", user=user, host=host, created=number))
    return slots


@pytest.mark.parametrize(
    ("users", "hosts", "per_host"), [(10_000, 1, 0), (1_000, 50, 3), (10_000, 2, 2), (1, 10, 0), (1, 10_000, 2)]
)
def test_ten_thousand_waiting_make_a_grant_hardly_dearer(users: int, hosts: int, per_host: int) -> None:
    costs = []
    for count in (100, 10_000):
        slots = crowded(count, users=users, hosts=hosts, per_host=per_host)
        held = [f"film-{number}" for number in range(count) if slots.holds(f"film-{number}")]
        costs.append(sum(calls(partial(slots.release, key)) for key in held) / len(held))
    assert costs[1] <= 5 * costs[0] + 100


@pytest.mark.parametrize("users", [1, 10, 10_000])
def test_ten_thousand_hosts_make_a_grant_hardly_dearer(users: int) -> None:
    costs = []
    for hosts in (10, 10_000):
        slots = crowded(10_000, users=users, hosts=hosts, per_host=1, cap=1_000)
        held = [key for key in (f"film-{number}" for number in range(10_000)) if slots.holds(key)][:50]
        costs.append(sum(calls(partial(slots.release, key)) for key in held) / len(held))
    assert costs[1] <= 5 * costs[0] + 100


def test_hosts_that_are_full_cost_a_comparison_each() -> None:
    slots, _ = ledger(cap=1_000, per_host=1)
    for number in range(10_000):
        slots.request(claim(f"film-{number}", host=f"host-{number % 1_000}", created=number))
    costs = [calls(partial(slots.release, f"film-{number}")) for number in range(100)]
    assert sum(costs) / len(costs) < 10 * 1_000


@pytest.mark.parametrize("full", [True, False])
def test_host_of_which_a_user_has_withdrawn_all_claims_holds_up_nothing(full: bool) -> None:  # noqa: FBT001 - a case
    slots, granted = ledger(cap=3, per_host=1)
    slots.request(claim("a", user="ada", host="h0"))
    slots.request(claim("b", user="bob", host="h1"))
    slots.request(claim("withdrawn", user="bob", host="h0"))
    slots.request(claim("waiting", user="bob", host="h1", created=1))
    slots.release("withdrawn")
    if not full:
        slots.release("a")
    slots.release("b")
    assert granted == ["waiting"]
    slots.release("a")
    assert slots.request(claim("again", user="bob", host="h0"))


def test_user_whose_claims_are_all_withdrawn_is_forgotten() -> None:
    slots, _ = ledger(cap=1, per_host=1)
    slots.occupy(claim("a", host="h0"))
    for number in range(100):
        slots.request(claim(f"film-{number}", user="bob", host=f"h{number % 3}"))
    for number in range(100):
        slots.release(f"film-{number}")
    line = slots._line
    assert (line._of_group, line._hosts_of, line._parked, len(line)) == ({}, {}, {}, 0)


def test_ages_of_those_that_wait_are_read_at_no_cost() -> None:
    slots = crowded(10_000, users=1_000, hosts=1, per_host=0)
    assert calls(lambda: slots.oldest_age_s(NOON)) <= 5


def test_granted_claims_are_forgotten_behind_one_that_waits_for_long() -> None:
    slots, _ = ledger(cap=2, per_user=1)
    slots.request(claim("first", user="ada"))
    slots.request(claim("starved", user="ada", created=-100))
    for number in range(5_000):
        slots.request(claim(f"film-{number}", user="bob", created=number))
        slots.release(f"film-{number}")
    assert slots.waiting == 1
    assert len(slots._line._oldest) < 1_500


def test_ranking_returns_the_first_name_by_its_rank_now() -> None:
    ranks: dict[str, datetime | None] = {"a": NOON, "b": NOON + timedelta(1)}
    ranking: Ranking[datetime] = Ranking()
    ranking.offer("a", NOON)
    ranking.offer("b", NOON + timedelta(1))
    ranks["a"] = NOON + timedelta(2)
    assert ranking.first(ranks.get) == "b"
    ranks["b"] = None
    assert ranking.first(ranks.get) == "a"
    ranks["b"] = NOON
    assert ranking.first(ranks.get) == "a", "not offered again"
    ranking.offer("b", NOON)
    assert ranking.first(ranks.get) == "b"


@given(claims)
def test_users_with_enough_waiting_differ_by_one_slot_at_most(pool: list[Claim]) -> None:
    slots, _ = ledger(cap=6)
    for number in range(6):
        slots.occupy(claim(f"before-{number}", user="z"))
    for each in pool:
        slots.request(each)
    for number in range(6):
        slots.release(f"before-{number}")
    held = {user: sum(slots.holds(each.key) for each in pool if each.user == user) for user in "abc"}
    waiting = {each.user for each in pool if not slots.holds(each.key)}
    for user in waiting:
        assert max(held.values()) - held[user] <= 1


def test_wait_names_the_cap_of_all_slots_if_no_other_is_full() -> None:
    slots, _ = ledger(cap=1, per_user=2, per_host=2)
    slots.occupy(claim("a"))
    assert slots.wait_reason(claim("b")) == "1 of 1 in flight"
