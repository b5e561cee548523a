"""Retries, as the composed plan decides them: which failure is followed by another attempt, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.status import ConditionType, Phase
from mediaimport_operator.decide.actions import CreateJob
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.decide.status import StatusBuilder

from tests.support.import_runs import failed_often, failing, ready_reason, started, status_of

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def test_waits_between_attempts_double(build: Build) -> None:
    waits = []
    for number in (1, 2, 3):
        planned = plan(failing(build, started(build, number), number))
        assert planned.requeue_at is not None
        waits.append((planned.requeue_at - build.now).total_seconds())
    assert waits == [5, 10, 20]


def test_the_sources_retry_after_is_respected(build: Build) -> None:
    observed = failing(build, started(build), 1, Reason.SOURCE_UNAVAILABLE, retry_after_seconds=90, http_status=429)
    planned = plan(observed)
    assert planned.requeue_at == build.now + timedelta(seconds=90)
    error = status_of(planned).error
    assert error is not None
    assert error.http_status == 429


def test_the_last_counted_attempt_ends_the_import(build: Build) -> None:
    planned = plan(failing(build, started(build, 4), 4))
    status = status_of(planned)
    assert (status.phase, ready_reason(planned)) == (Phase.FAILED, "SourceUnavailable")
    assert planned.requeue_at == build.now + timedelta(minutes=1), "unless its Job ends before"
    assert {each.type for each in status.conditions} == {"Ready", "Stalled"}
    assert status.completed_at == build.now


def test_a_failure_that_cannot_heal_is_not_tried_again(build: Build) -> None:
    planned = plan(failing(build, started(build), 1, Reason.SOURCE_NOT_FOUND, http_status=404))
    status = status_of(planned)
    assert (status.phase, status.tally and status.tally.started) == (Phase.FAILED, 1)


def test_an_expired_source_is_not_downloaded_again(build: Build) -> None:
    source = {"expiresAt": "2030-01-01T11:00:00Z"}
    planned = plan(failing(build, started(build, source=source), 1, Reason.SOURCE_UNAVAILABLE))
    assert ready_reason(planned) == "SourceExpired"


def test_an_expired_source_still_gets_its_first_attempt(build: Build) -> None:
    item = build.mediaimport(source={"expiresAt": "2030-01-01T11:00:00Z"})
    assert plan(build.observed(item)).actions == (CreateJob(attempt=1, more_memory=False),)


def test_an_expired_source_does_not_end_retries_of_the_store(build: Build) -> None:
    source = {"expiresAt": "2030-01-01T11:00:00Z"}
    planned = plan(failing(build, started(build, source=source), 1, Reason.STORE_UNAVAILABLE))
    assert ready_reason(planned) == "RetryScheduled"


EXTERNAL = [
    Reason.STORE_UNAVAILABLE,
    Reason.STORE_DENIED,
    Reason.STORE_MISSING,
    Reason.DISK_FULL,
    Reason.SETTINGS_INVALID,
]


@pytest.mark.parametrize("reason", EXTERNAL)
def test_failures_of_store_and_node_are_retried_until_the_source_expires(build: Build, reason: Reason) -> None:
    source = {"expiresAt": "2030-01-01T12:20:00Z"}
    item = failed_often(build, reason, times=7, source=source)
    before = replace(failing(build, item, 8, reason), now=build.now + timedelta(minutes=19))
    status = status_of(plan(before))
    assert (status.phase, status.tally and status.tally.external) == (Phase.WAITING, 8)
    after = plan(replace(before, now=build.now + timedelta(minutes=20)))
    assert (status_of(after).phase, ready_reason(after)) == (Phase.FAILED, reason)


@pytest.mark.parametrize("never_ran", [Reason.UNSCHEDULABLE, Reason.IMAGE_PULL_FAILED, Reason.POD_REFUSED])
def test_attempts_whose_pod_never_ran_are_repeated_until_the_source_expires(build: Build, never_ran: Reason) -> None:
    spec: dict[str, Any] = {"limits": {"attempts": 1}, "source": {"expiresAt": "2030-01-01T12:20:00Z"}}
    item = build.mediaimport(**spec)
    for number in (1, 2, 3):
        item = build.after(plan(build.observed(item)), **spec)
        observed = build.observed(item)
        shown = StatusBuilder(observed, observed.history).pending(never_ran, "see there")
        item = build.after_status(shown, **spec)
        overdue = build.observed(item, jobs=[build.failed_job(number, reason="DeadlineExceeded")])
        planned = plan(overdue)
        status = status_of(planned)
        assert (status.phase, status.attempts[0].reason) == (Phase.WAITING, never_ran)
        assert status.tally is not None
        assert (status.tally.counted, status.tally.external) == (0, number)
        item = build.after(planned, **spec)
        item["status"].pop("nextAttemptAt")
    late = replace(overdue, now=build.now + timedelta(minutes=20))
    assert (status_of(plan(late)).phase, ready_reason(plan(late))) == (Phase.FAILED, never_ran)


def test_failures_of_the_store_are_retried_for_a_day_if_the_source_does_not_expire(build: Build) -> None:
    item = failed_often(build, Reason.STORE_UNAVAILABLE, times=7)
    failed = failing(build, item, 8, Reason.STORE_UNAVAILABLE)
    assert status_of(plan(replace(failed, now=build.now + timedelta(hours=23)))).phase is Phase.WAITING
    assert status_of(plan(replace(failed, now=build.now + timedelta(hours=24)))).phase is Phase.FAILED


def test_failures_of_the_store_leave_the_attempts_to_the_source(build: Build) -> None:
    item = failed_often(build, Reason.STORE_UNAVAILABLE, times=7)
    planned = plan(failing(build, item, 8, Reason.SOURCE_UNAVAILABLE))
    tally = status_of(planned).tally
    assert tally is not None
    assert (ready_reason(planned), tally.counted, tally.external) == ("RetryScheduled", 1, 7)


def test_out_of_memory_is_tried_once_more_with_more(build: Build) -> None:
    oom: dict[str, Any] = {"exit_code": 137, "reason": "OOMKilled"}
    first = plan(build.observed(started(build), jobs=[build.job()], pods=[build.ended_pod(**oom)]))
    item = build.after(first)
    second = plan(build.observed(item, jobs=[build.failed_job()], now=build.now + timedelta(seconds=5)))
    assert second.actions == (CreateJob(attempt=2, more_memory=True),)
    ended = [build.ended_pod(2, **oom)]
    third = plan(build.observed(build.after(second), jobs=[build.failed_job(), build.job(2)], pods=ended))
    assert (status_of(third).phase, ready_reason(third)) == (Phase.FAILED, "OutOfMemory")


def test_prober_out_of_memory_is_tried_once_more_with_more(build: Build) -> None:
    first = plan(failing(build, started(build), 1, Reason.OUT_OF_MEMORY))
    tally = status_of(first).tally
    assert tally is not None
    assert (ready_reason(first), tally.counted, tally.out_of_memory) == ("RetryScheduled", 0, 1)
    second = plan(build.observed(build.after(first), jobs=[build.failed_job()], now=build.now + timedelta(seconds=5)))
    assert second.actions == (CreateJob(attempt=2, more_memory=True),)


def test_disruptions_do_not_count_and_end_no_import_before_its_source_expires(build: Build) -> None:
    spec: dict[str, Any] = {"limits": {"attempts": 1}, "source": {"expiresAt": "2030-01-01T12:20:00Z"}}
    item = build.mediaimport(**spec)
    for number in range(1, 9):
        item = build.after(plan(build.observed(item)), **spec)
        planned = plan(disrupted(build, item, number))
        assert status_of(planned).phase is Phase.WAITING
        item = build.after(planned, **spec)
        item["status"].pop("nextAttemptAt", None)
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    assert condition.message.endswith("and others follow until 2030-01-01 12:20 UTC")
    item = build.after(plan(build.observed(item)), **spec)
    last = replace(disrupted(build, item, 9), now=build.now + timedelta(minutes=20))
    assert (status_of(plan(last)).phase, ready_reason(plan(last))) == (Phase.FAILED, "Disrupted")


def test_five_disruptions_are_followed_by_an_attempt_though_the_source_has_expired(build: Build) -> None:
    spec: dict[str, Any] = {"source": {"expiresAt": "2030-01-01T11:00:00Z"}}
    item, phases = build.mediaimport(**spec), []
    for number in range(1, 7):
        item = build.after(plan(build.observed(item)), **spec)
        planned = plan(disrupted(build, item, number))
        phases.append(status_of(planned).phase)
        item = build.after(planned, **spec)
        item["status"].pop("nextAttemptAt", None)
    assert phases == [Phase.WAITING] * 5 + [Phase.FAILED]


def disrupted(build: Build, item: Object, number: int) -> Observed:
    conditions = [{"type": "DisruptionTarget", "status": "True", "message": "node drained"}]
    pod = build.ended_pod(number, exit_code=143, conditions=conditions)
    return build.observed(item, jobs=[build.job(number)], pods=[pod])


def test_a_lost_result_is_one_uncounted_attempt_more(build: Build) -> None:
    planned = plan(build.observed(started(build), jobs=[build.job()], pods=[build.ended_pod(message="")]))
    tally = status_of(planned).tally
    assert tally is not None
    assert (ready_reason(planned), tally.result_lost, tally.counted) == ("RetryScheduled", 1, 0)


def test_second_lost_result_counts(build: Build) -> None:
    item = started(build)
    for number, tally in ((1, (1, 0)), (2, (1, 1))):
        lost = plan(build.observed(item, jobs=[build.job(number)], pods=[build.ended_pod(number, message="")]))
        recorded = status_of(lost).tally
        assert recorded is not None
        assert (recorded.result_lost, recorded.counted) == tally
        item = build.after(lost)
        item["status"].pop("nextAttemptAt")
        item = build.after(plan(build.observed(item)))


def test_wait_between_attempts_is_never_longer_than_five_minutes(build: Build) -> None:
    item = failed_often(build, Reason.STORE_UNAVAILABLE, times=9)
    planned = plan(failing(build, item, 10, Reason.STORE_UNAVAILABLE))
    assert planned.requeue_at == build.now + timedelta(minutes=5)


def test_the_sources_retry_after_never_shortens_the_wait(build: Build) -> None:
    item = started(build, 3)
    planned = plan(failing(build, item, 3, Reason.SOURCE_UNAVAILABLE, retry_after_seconds=1, http_status=429))
    assert planned.requeue_at == build.now + timedelta(seconds=20)
