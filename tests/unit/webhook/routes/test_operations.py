"""Operations: what is under way, failed and ends next, of the users that the caller sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.operations import SHOWN, summary_of

from tests.support.webhook import ALICE, BOB, ROOT
from tests.unit.webhook.routes.test_media import IMPORT, URL, finish, start_import

if TYPE_CHECKING:
    from mediaimport_webhook.catalogue import Entry

    from tests.support.webhook import RunningWebhook

OPERATIONS = "/api/v1/operations"


def shown(webhook: RunningWebhook, token: str = ROOT) -> dict[str, Any]:
    content: dict[str, Any] = webhook.call("GET", OPERATIONS, token=token).json()
    return content


def counts(content: dict[str, Any]) -> dict[str, int]:
    return {each["phase"]: each["count"] for each in content["under_way"] if each["count"]}


def failed(reason: str) -> dict[str, Any]:
    """Return the status of an import that failed for that reason."""
    error = {"reason": reason, "message": "The source is gone.", "retryable": False}
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": "", "lastTransitionTime": TIME}
    return {"phase": "Failed", "error": error, "conditions": [condition]}


TIME = "2026-01-01T00:00:00Z"


def entry(number: int, *, phase: str, expires_at: str | None = None) -> Entry:
    """Return the entry of one of many imports, each a second after the one before."""
    minute, second = divmod(number, 60)
    about = {
        "name": f"import-{number}",
        "uid": f"00000000-0000-4000-8000-{number:012}",
        "resourceVersion": str(number + 1),
        "creationTimestamp": f"2026-01-01T00:{minute:02}:{second:02}Z",
    }
    source = {"url": "https://example.com/a.mp4"} | ({} if expires_at is None else {"expiresAt": expires_at})
    return entry_of({"metadata": about, "spec": {"source": source}, "status": {"phase": phase}})


def test_admin_sees_everybodys_and_the_namespace(webhook: RunningWebhook) -> None:
    for token in (ALICE, BOB, BOB):
        webhook.call("POST", IMPORT, token=token, json={"url": URL})
    assert counts(shown(webhook)) == {"Pending": 3}
    assert counts(shown(webhook, ALICE)) == {"Pending": 1}
    assert counts(shown(webhook, BOB)) == {"Pending": 2}
    assert [shown(webhook, each)["namespace"] for each in (ROOT, ALICE, BOB)] == ["media", None, None]
    users = [one["user"] for each in shown(webhook, ALICE)["under_way"] for one in each["oldest"]]
    assert users == ["alice"]


def test_nobody_sees_nothing(webhook: RunningWebhook) -> None:
    assert webhook.call("GET", OPERATIONS, token="").status_code == 401


def test_failed_imports_are_counted_by_reason(webhook: RunningWebhook) -> None:
    ids = [start_import(webhook, name=f"film {number}") for number in range(4)]
    for id_, reason in zip(ids, ["SourceNotFound", "NotMedia", "SourceNotFound"], strict=False):
        finish(webhook, id_, failed(reason))
    content = shown(webhook)
    assert [(each["reason"], each["count"]) for each in content["failed"]] == [("SourceNotFound", 2), ("NotMedia", 1)]
    assert content["failed"][1]["newest"] == {
        "id": ids[1],
        "name": "film 1",
        "user": "alice",
        "import_job_id": content["failed"][1]["newest"]["import_job_id"],
        "phase": "Failed",
        "reason": "NotMedia",
        "created_at": content["failed"][1]["newest"]["created_at"],
        "source_expires_at": None,
    }
    assert counts(content) == {"Pending": 1}


def test_deleted_import_is_not_shown(webhook: RunningWebhook) -> None:
    id_ = start_import(webhook)
    assert webhook.call("DELETE", f"/api/v1/media/{id_}").status_code == 202
    assert counts(shown(webhook)) == {}


def test_oldest_of_each_phase_come_first() -> None:
    entries = [entry(number, phase="Queued" if number % 2 else "Importing") for number in range(100)]
    groups = {each.phase: each for each in summary_of(reversed(entries)).under_way}
    assert list(groups) == ["Pending", "Queued", "Importing", "Waiting", "Suspended"]
    assert [each.count for each in groups.values()] == [0, 50, 50, 0, 0]
    assert [each.resource_name for each in groups["Queued"].oldest] == [f"import-{1 + 2 * n}" for n in range(SHOWN)]  # type: ignore[index]


def test_newest_of_each_reason_is_shown() -> None:
    (group,) = summary_of([entry(number, phase="Failed") for number in (3, 2, 1)]).failed
    assert (group.reason, group.count, group.newest.resource_name) == ("Unknown", 3, "import-3")


def test_sources_that_end_first_come_first_whatever_their_offset() -> None:
    times = ["2026-01-01T12:00:00+02:00", "2026-01-01T11:00:00Z", None, "2026-01-01T10:30:00.123456Z"]
    entries = [entry(number, phase="Queued", expires_at=each) for number, each in enumerate(times)]
    entries.append(entry(9, phase="Ready", expires_at="2026-01-01T09:00:00Z"))
    expiring = summary_of(entries).expiring
    assert [(each.resource_name, each.source_expires_at) for each in expiring] == [
        ("import-0", "2026-01-01T10:00:00Z"),
        ("import-3", "2026-01-01T10:30:00Z"),
        ("import-1", "2026-01-01T11:00:00Z"),
    ]


@pytest.mark.parametrize("unreadable", ["soon", "0001-01-01T00:00:00+23:59"])
def test_time_that_cannot_be_read_hides_nothing(unreadable: str) -> None:
    one = entry(1, phase="Queued", expires_at=unreadable)
    assert (one.source_expires_at, one.json["broken"]) == (None, None)
    assert summary_of([one]).under_way[1].count == 1
