from __future__ import annotations

from typing import Any

from dev.bench.operator.events import figures, is_notified


def message(name: str, message_id: str, *, accepted: bool = True, svix: bool = True) -> dict[str, Any]:
    return {
        "id": message_id,
        "event": {"data": {"import_job_id": name}},
        "accepted": accepted,
        "verified": {"svix": svix, "standardwebhooks": True},
    }


def rows(*messages: dict[str, Any], names: tuple[str, ...] = ("a", "b")) -> dict[str, float]:
    return {each.figure: each.value for each in figures(set(names), list(messages), imports=len(names))}


def missed(*messages: dict[str, Any]) -> set[str]:
    found = figures({"a", "b"}, list(messages), imports=2)
    return {each.figure for each in found if each.bar is not None and not each.bar.holds(each.value)}


def test_double_with_the_same_id_is_no_miss() -> None:
    told = (message("a", "1", accepted=False), message("a", "1"), message("b", "2"))
    assert missed(*told) == set()
    assert (rows(*told)["messages in all"], rows(*told)["doubles"]) == (3, 1)


def test_event_that_nobody_accepted_is_lost() -> None:
    assert missed(message("a", "1"), message("b", "2", accepted=False)) == {"events that were lost"}


def test_ids_that_are_wrong_are_missed() -> None:
    assert missed(message("a", "1"), message("a", "3"), message("b", "2")) == {"events with more than one id"}
    assert missed(message("a", "1"), message("b", "1")) == {"ids of more than one event"}


def test_message_that_a_library_refuses_is_missed() -> None:
    assert missed(message("a", "1", svix=False), message("b", "2")) == {"messages that svix refuses"}


def test_import_is_notified_once_its_condition_says_so() -> None:
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Notified", "status": "False"}]
    assert not is_notified({"status": {"conditions": conditions}})
    conditions[1]["status"] = "True"
    assert is_notified({"status": {"conditions": conditions}})
    assert not is_notified({})
