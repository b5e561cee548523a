"""Objects asked for last are kept as they were read."""

from __future__ import annotations

from mediaimport_operator.observe.recent import MOST, Recent


def test_object_is_read_once_until_it_is_forgotten() -> None:
    recent: Recent[int] = Recent()
    reads = iter(range(9))
    assert [recent.get("a", lambda: next(reads)) for _ in range(3)] == [0, 0, 0]
    assert recent.get("b", lambda: next(reads)) == 1
    recent.forget("a")
    recent.forget("never read")
    assert recent.get("a", lambda: next(reads)) == 2


def test_object_asked_for_longest_ago_is_read_again() -> None:
    recent: Recent[int] = Recent()
    for uid in ("kept", "dropped"):
        recent.get(uid, lambda: 1)
    assert recent.get("kept", lambda: 2) == 1
    for number in range(MOST - 1):
        recent.get(f"another-{number}", lambda: 1)
    assert recent.get("kept", lambda: 2) == 1
    assert recent.get("dropped", lambda: 2) == 2
