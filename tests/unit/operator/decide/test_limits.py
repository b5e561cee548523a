from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from mediaimport_operator.decide.limits import Slots, choose, order
from mediaimport_operator.observe.resource import Claim
from mediaimport_operator.settings.operator import Caps

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


@given(claims, st.data())
def test_choice_depends_only_on_the_claims_and_on_the_imports_in_flight(pool: list[Claim], data: st.DataObject) -> None:
    users = data.draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 4)))
    shuffled = data.draw(st.permutations(pool))
    chosen = choose(pool, caps=Caps(10), users=users, hosts={})
    assert choose(shuffled, caps=Caps(10), users=users, hosts={}) == chosen
    for other in pool:
        assert chosen is not None
        assert users.get(chosen.user, 0) <= users.get(other.user, 0)
        if users.get(chosen.user, 0) == users.get(other.user, 0):
            assert order(chosen) <= order(other)


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
