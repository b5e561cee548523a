from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import MAX_STATUS_BYTES, Attempt, Status
from mediaimport_operator.decide import history
from mediaimport_operator.decide.status import Draft, fitted

if TYPE_CHECKING:
    from tests.unit.operator.conftest import Build


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


def test_a_status_that_fits_is_left_as_it_is(build: Build) -> None:
    status = Status(attempts=attempts(build)[:2])
    assert fitted(status) == status


def test_a_status_that_is_too_large_loses_words_not_facts(build: Build) -> None:
    status = Status(attempts=attempts(build))
    assert size_bytes(status) > MAX_STATUS_BYTES
    cut = fitted(status)
    assert size_bytes(cut) <= MAX_STATUS_BYTES
    assert [(each.number, each.reason) for each in cut.attempts] == [
        (each.number, each.reason) for each in status.attempts
    ]
    assert cut.attempts[0].log_tail is not None
    assert len(cut.attempts[0].log_tail) == 512


def test_a_condition_keeps_its_time_while_its_status_stays(build: Build) -> None:
    first = build.observed()
    queued = Draft(first, history.remembered(first.resource)).queued()
    item = build.after_status(queued)
    later = build.observed(item, now=build.now.replace(hour=13))
    failed = Draft(later, history.remembered(later.resource)).failed(Reason.NOT_MEDIA, "It is text.")
    ready, stalled = failed.conditions
    assert ready.last_transition_time == build.now
    assert stalled.last_transition_time == later.now
    assert ready.message == "It is text. Look at what the URL serves; it may be an error page."


def test_words_of_four_bytes_a_character_fit_too(build: Build) -> None:
    past = history.remembered(build.observed().resource)
    past = replace(past, attempts=tuple(attempts(build)))
    status = Draft(build.observed(), past).failed(Reason.SPEC_INVALID, "\U0001f3ac" * 512)
    assert size_bytes(status) <= MAX_STATUS_BYTES
    assert status.error is not None
    assert len(status.attempts) == 5
