from __future__ import annotations

from mediaimport_webhook.http.held import Held


def test_amount_is_what_was_taken_and_not_given_back() -> None:
    held = Held()
    assert [held.take("a", 5), held.take("a"), held.take("b")] == [5, 6, 1]
    held.give_back("a", 2)
    assert (held.of("a"), held.of("b"), held.of("c")) == (4, 1, 0)


def test_name_without_an_amount_is_forgotten() -> None:
    held = Held()
    for name in ("a", "b"):
        held.take(name, 3)
    held.give_back("a", 3)
    held.give_back("never-taken", 0)
    assert (held.of("a"), len(held)) == (0, 1)
