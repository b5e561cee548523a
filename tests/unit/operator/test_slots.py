from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from mediaimport_operator.slots import Claim, Slots, order

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def claim(key: str, *, user: str = "ada", created: int = 0, expires: int | None = None) -> Claim:
    return Claim(
        key=key,
        user=user,
        created_at=NOON + timedelta(seconds=created),
        expires_at=None if expires is None else NOON + timedelta(seconds=expires),
    )


def ledger(cap: int = 1, per_user: int = 0) -> tuple[Slots, list[str]]:
    granted: list[str] = []
    return Slots(cap=cap, cap_per_user=per_user, on_grant=granted.append), granted


claims = st.lists(
    st.builds(
        claim,
        key=st.uuids().map(str),
        user=st.sampled_from("abc"),
        created=st.integers(0, 5),
        expires=st.none() | st.integers(0, 5),
    ),
    unique_by=lambda each: each.key,
    max_size=30,
)


def test_a_free_slot_is_given_at_once() -> None:
    slots, granted = ledger()
    assert slots.want(claim("a"))
    assert not slots.want(claim("b"))
    assert granted == []


def test_a_freed_slot_goes_to_the_next_and_tells_it() -> None:
    slots, granted = ledger()
    slots.want(claim("a"))
    slots.want(claim("b"))
    slots.free("a")
    assert granted == ["b"]
    assert slots.holds("b")


def test_what_runs_holds_its_slot_beyond_the_cap() -> None:
    slots, _ = ledger(cap=1)
    slots.use(claim("a"))
    slots.use(claim("b"))
    assert (slots.in_flight, slots.want(claim("c"))) == (2, False)
    slots.free("a")
    assert not slots.holds("c")


def test_a_claim_that_leaves_is_not_granted() -> None:
    slots, granted = ledger()
    slots.want(claim("a"))
    slots.want(claim("b"))
    slots.free("b")
    slots.free("a")
    assert (granted, slots.in_flight, slots.waiting) == ([], 0, 0)


def test_asking_again_changes_nothing() -> None:
    slots, granted = ledger()
    for _ in range(3):
        slots.want(claim("a"))
        slots.want(claim("b"))
    slots.free("a")
    slots.free("b")
    assert (granted, slots.in_flight) == (["b"], 0)


def test_a_full_user_does_not_keep_others_out() -> None:
    slots, _ = ledger(cap=3, per_user=1)
    assert slots.want(claim("a", user="ada"))
    assert not slots.want(claim("b", user="ada"))
    assert slots.want(claim("c", user="bob"))
    assert slots.full_for("ada") == "1 of 1 of user ada in flight"


@given(claims)
def test_slots_are_granted_in_order(waiting: list[Claim]) -> None:
    slots, granted = ledger(cap=1)
    slots.use(claim("first", user="z"))
    for each in waiting:
        slots.want(each)
    current = "first"
    for _ in waiting:
        slots.free(current)
        current = granted[-1]
    assert granted == [each.key for each in sorted(waiting, key=order)]


@given(claims, st.integers(1, 5), st.integers(0, 3), st.data())
def test_caps_hold_and_no_slot_is_left_idle(pool: list[Claim], cap: int, per_user: int, data: st.DataObject) -> None:
    slots, _ = ledger(cap=cap, per_user=per_user)
    wanted: dict[str, Claim] = {}
    for _ in range(len(pool) * 2):
        each = data.draw(st.sampled_from(pool))
        if data.draw(st.booleans()):
            slots.want(each)
            wanted[each.key] = each
        else:
            slots.free(each.key)
            wanted.pop(each.key, None)
        held = [one for one in wanted.values() if slots.holds(one.key)]
        users = [one.user for one in held]
        assert len(held) == slots.in_flight <= cap
        limit = per_user or cap
        assert all(users.count(user) <= limit for user in set(users))
        idle = [one for one in wanted.values() if not slots.holds(one.key) and users.count(one.user) < limit]
        assert slots.in_flight == cap or idle == []
        assert slots.waiting == len(wanted) - len(held)


@given(claims)
def test_the_earliest_expiry_comes_first_then_the_oldest(pool: list[Claim]) -> None:
    ordered = sorted(pool, key=order)
    for before, after in pairwise(ordered):
        if before.expires_at == after.expires_at:
            assert before.created_at <= after.created_at
        else:
            assert before.expires_at is not None
            assert after.expires_at is None or before.expires_at < after.expires_at
