from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import MAX_STATUS_BYTES, Attempt, Status
from mediaimport_operator.decide import history
from mediaimport_operator.decide.status import StatusBuilder, truncate_to_limit

if TYPE_CHECKING:
    from tests.support.operator_fakes import Build


def attempts(build: Build) -> list[Attempt]:
    return [
        Attempt(
            number=number,
            job_name="j" * 63,
            started_at=build.now,
            reason=Reason.UNEXPECTED,
            message="€" * 512,
            log_tail="€" * 1024 if number == 5 else None,
        )
        for number in range(5, 0, -1)
    ]


def size_bytes(status: Status) -> int:
    return len(json.dumps(status.to_wire(), ensure_ascii=False, separators=(",", ":")).encode())


def test_status_within_the_limit_is_unchanged(build: Build) -> None:
    status = Status(attempts=attempts(build)[:2])
    assert truncate_to_limit(status) == status


def test_status_above_the_limit_loses_text_and_no_attempt(build: Build) -> None:
    status = Status(attempts=attempts(build))
    assert size_bytes(status) > MAX_STATUS_BYTES
    cut = truncate_to_limit(status)
    assert size_bytes(cut) <= MAX_STATUS_BYTES
    assert [(each.number, each.reason) for each in cut.attempts] == [
        (each.number, each.reason) for each in status.attempts
    ]
    assert cut.attempts[0].log_tail is not None
    assert len(cut.attempts[0].log_tail) == 512


def test_a_condition_keeps_its_time_while_its_status_stays(build: Build) -> None:
    first = build.observed()
    queued = StatusBuilder(first, history.recorded_history(first.resource)).queued()
    item = build.after_status(queued)
    later = build.observed(item, now=build.now.replace(hour=13))
    failed = StatusBuilder(later, history.recorded_history(later.resource)).failed(Reason.NOT_MEDIA, "It is text.")
    ready, stalled = failed.conditions
    assert ready.last_transition_time == build.now
    assert stalled.last_transition_time == later.now
    assert ready.message == "It is text. Check what the URL serves; it may be an error page."


def test_status_with_four_byte_characters_stays_within_the_limit(build: Build) -> None:
    past = history.recorded_history(build.observed().resource)
    past = replace(past, attempts=tuple(attempts(build)))
    status = StatusBuilder(build.observed(), past).failed(Reason.SPEC_INVALID, "\U0001f3ac" * 512)
    assert size_bytes(status) <= MAX_STATUS_BYTES
    assert status.error is not None
    assert len(status.attempts) == 5
