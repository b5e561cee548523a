"""A status that another release has written: what this one does not know is passed over, or kept as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from mediaimport_api.reasons import MAX_MESSAGE, Reason, Retry
from mediaimport_api.status import MAX_ATTEMPTS_SHOWN, Kind, MediaWarning, Phase, Status
from pydantic import ValidationError

READY: dict[str, Any] = {
    "run": "",
    "phase": "Ready",
    "completedAt": "2030-01-01T12:00:00Z",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Imported",
            "message": "Imported.",
            "lastTransitionTime": "2030-01-01T12:00:00Z",
        }
    ],
    "attempts": [
        {"number": 2, "jobName": "film-2", "reason": "Imported"},
        {"number": 1, "jobName": "film-1", "reason": "Disrupted"},
    ],
    "asset": {
        "id": "8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11",
        "sha256": "0" * 64,
        "sizeBytes": 7,
        "contentType": "video/mp4",
        "kind": "video",
        "bucket": "bucket",
        "key": "media/ada/8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11/video.mp4",
    },
    "media": {"formatName": "mp4", "durationSource": "container", "warnings": ["DurationUnknown"]},
}


def changed(*path: str | int, to: object) -> dict[str, Any]:
    """The status with another value in that place."""
    raw = copy.deepcopy(READY)
    node: Any = raw
    for each in path[:-1]:
        node = node[each]
    node[path[-1]] = to
    return raw


def test_status_of_this_release_is_read_as_it_is() -> None:
    assert Status.read(READY) == Status.model_validate(READY)


@pytest.mark.parametrize(
    "raw",
    [
        changed("media", "warnings", to=["FromTheFuture", "DurationUnknown", "Another"]),
        changed("media", "durationSource", to="oracle") | {"progress": {"step": "archive", "percent": 100}},
        READY | {"conditions": [*READY["conditions"], {"type": "New", "status": "Perhaps", "reason": "No sentence!"}]},
        READY | {"later": {"a": [1]}, "nextAttemptAt": "9999-12-31T23:59:59-01:00"},
    ],
)
def test_unknown_members_change_nothing_else(raw: dict[str, Any]) -> None:
    before, known = copy.deepcopy(raw), Status.model_validate(READY)
    status = Status.read(raw)
    assert (status.phase, status.completed_at, status.asset) == (Phase.READY, known.completed_at, known.asset)
    assert (status.conditions, status.attempts) == (known.conditions, known.attempts)
    assert status.media is not None
    assert status.media.warnings == [MediaWarning.DURATION_UNKNOWN]
    assert raw == before, "the cached object is not changed"


def test_unknown_kind_and_reason_are_kept_as_they_are() -> None:
    raw = changed("asset", "kind", to="hologram")
    raw["attempts"][1]["reason"] = "EclipseOfTheSun"
    status = Status.read(raw)
    assert status.asset is not None
    assert (status.asset.kind, status.asset.kind.is_known, Kind.VIDEO.is_known) == ("hologram", False, True)
    reason = status.attempts[1].reason
    assert reason == "EclipseOfTheSun"
    assert reason is not None
    assert (reason.facts.retry, reason.retryable, reason.facts.exit_code) == (Retry.COUNTED, True, None)
    assert status.to_wire()["asset"]["kind"] == "hologram"
    assert status.to_wire()["attempts"][1]["reason"] == "EclipseOfTheSun"


@pytest.mark.parametrize("value", ["", "two words", "x" * 65, 7, None])
def test_reason_that_is_no_word_is_none(value: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    with pytest.raises(ValueError, match="is not a valid Reason"):
        Reason(value)
    assert Status.read(changed("attempts", 0, "reason", to=value)).attempts[0].reason is None


def test_longer_texts_and_lists_are_cut() -> None:
    raw = changed("conditions", 0, "message", to="m" * 2000)
    raw["attempts"] = [{"number": 9 - each, "jobName": "film", "message": "m" * 600} for each in range(9)]
    status = Status.read(raw)
    assert len(status.conditions[0].message) == 1024
    assert [each.number for each in status.attempts] == [9, 8, 7, 6, 5]
    assert len(status.attempts) == MAX_ATTEMPTS_SHOWN
    assert {len(each.message or "") for each in status.attempts} == {MAX_MESSAGE}


def test_object_without_a_field_that_it_needs_is_passed_over() -> None:
    raw = changed("asset", "sha256", to="no hash")
    del raw["attempts"][0]["jobName"]
    status = Status.read(raw)
    assert (status.asset, [each.number for each in status.attempts], status.phase) == (None, [1], Phase.READY)


def test_status_that_is_no_object_cannot_be_read() -> None:
    with pytest.raises(ValidationError):
        Status.read(["a list"])
