from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.status import AssetEvent, ConditionType, Delivery, DeliveryOutcome, Status
from mediaimport_operator.decide.actions import DeleteResource, RemoveFinalizer
from mediaimport_operator.decide.conditions import ConditionBuilder
from mediaimport_operator.decide.notification import GIVEN_UP_AFTER, announced
from mediaimport_operator.decide.observed import CleanupJob, Observed
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.settings.events import Endpoint, EventSettings

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

EVENTS = EventSettings(tuple(Endpoint(each, f"https://{each}.example/", ("key",)) for each in ("crm", "audit")))


def told_of(build: Build, event: AssetEvent, *, at: datetime | None = None) -> Status:
    """The status of a completed import whose endpoints are still to be told."""
    at = at or build.now
    status = Status(completed_at=at, run="", observed_generation=1)
    builder = ConditionBuilder(before=status, now=at, generation=1)
    return announced(status, event, events=EVENTS, user_id="ada", builder=builder)


def ended(build: Build, *names: str, outcome: DeliveryOutcome = DeliveryOutcome.DELIVERED) -> tuple[Delivery, ...]:
    return tuple(Delivery(endpoint=each, outcome=outcome, at=build.now) for each in names)


def observed(build: Build, item: Object, **changes: Any) -> Observed:  # noqa: ANN401 - any field
    return build.observed(item, settings=build.settings(events=EVENTS), **changes)


def shown(status: Status | None) -> tuple[str, str, str]:
    assert status is not None
    condition = status.condition(ConditionType.NOTIFIED)
    assert condition is not None
    return condition.status, condition.reason, condition.message


def test_pending_notification_writes_nothing_and_is_looked_at_when_it_is_given_up(build: Build) -> None:
    decided = plan(observed(build, build.after_status(told_of(build, AssetEvent.READY))))
    assert (decided.status, decided.actions, decided.requeue_at) == (None, (), build.now + GIVEN_UP_AFTER)


def test_condition_sums_up_the_deliveries(build: Build) -> None:
    item = build.after_status(told_of(build, AssetEvent.READY))
    partly = plan(observed(build, item, deliveries=ended(build, "crm"))).status
    assert shown(partly) == ("False", "NotificationPending", "asset.ready: waits for audit; accepted by crm")
    whole = plan(observed(build, item, deliveries=ended(build, "crm", "audit"))).status
    assert shown(whole) == ("True", "Notified", "asset.ready: accepted by crm, audit")
    lost = (*ended(build, "crm"), *ended(build, "audit", outcome=DeliveryOutcome.GIVEN_UP))
    given_up = plan(observed(build, item, deliveries=lost)).status
    assert shown(given_up) == ("False", "NotificationGivenUp", "asset.ready: given up for audit; accepted by crm")


def test_recorded_delivery_is_not_recorded_again(build: Build) -> None:
    deliveries = ended(build, "crm")
    first = plan(observed(build, build.after_status(told_of(build, AssetEvent.READY)), deliveries=deliveries)).status
    assert first is not None
    assert plan(observed(build, build.after_status(first), deliveries=deliveries)).status is None


def test_who_has_not_accepted_it_after_a_day_is_given_up(build: Build) -> None:
    old = told_of(build, AssetEvent.READY, at=build.now - GIVEN_UP_AFTER)
    decided = plan(observed(build, build.after_status(old), deliveries=ended(build, "crm")))
    assert shown(decided.status) == ("False", "NotificationGivenUp", "asset.ready: given up for audit; accepted by crm")


@pytest.mark.parametrize(("told", "deleted"), [((), False), (("crm", "audit"), True)])
def test_time_to_live_waits_for_the_endpoints(build: Build, told: tuple[str, ...], deleted: bool) -> None:  # noqa: FBT001 - a case
    at = build.now - timedelta(hours=3)
    item = build.after_status(told_of(build, AssetEvent.READY, at=at), ttlSecondsAfterFinished=7200)
    decided = plan(observed(build, item, deliveries=ended(build, *told)))
    assert (DeleteResource() in decided.actions) is deleted
    if not deleted:
        assert decided.requeue_at == at + GIVEN_UP_AFTER


def test_time_to_live_waits_a_day_at_most(build: Build) -> None:
    old = told_of(build, AssetEvent.READY, at=build.now - GIVEN_UP_AFTER)
    item = build.after_status(old, ttlSecondsAfterFinished=7200)
    assert plan(observed(build, item)).actions == (DeleteResource(),)


def test_without_endpoints_what_is_pending_stays_as_it_is(build: Build) -> None:
    item = build.after_status(told_of(build, AssetEvent.READY), ttlSecondsAfterFinished=7200)
    decided = plan(build.observed(item))
    assert (decided.status, decided.requeue_at) == (None, build.now + timedelta(hours=2))


def deleting(build: Build, status: Status | None = None) -> Object:
    meta = {"finalizers": ["mediaimport.dev/stored-objects"], "deletionTimestamp": "2030-01-01T11:59:00Z"}
    return build.mediaimport(deletionPolicy="Delete", status=status, meta=meta)


def test_finalizer_stays_until_the_deletion_is_told(build: Build) -> None:
    gone = CleanupJob(build.now, complete=True, failed=False)
    first = plan(observed(build, deleting(build), cleanup_job=gone))
    assert first.actions == ()
    assert shown(first.status)[2] == "asset.deleted: waits for crm, audit"
    assert first.status is not None
    item = deleting(build, first.status)
    # The cleanup Job itself may be gone by then.
    assert plan(observed(build, item)).actions == ()
    told = plan(observed(build, item, deliveries=ended(build, "crm", "audit")))
    assert shown(told.status)[1] == "Notified"
    assert plan(observed(build, deleting(build, told.status))).actions == (RemoveFinalizer(),)


def test_deletion_whose_status_cannot_be_written_ends_all_the_same(build: Build) -> None:
    gone = CleanupJob(build.now, complete=True, failed=False)
    told = observed(build, deleting(build), cleanup_job=gone, deliveries=ended(build, "crm", "audit"))
    assert plan(told).actions == (RemoveFinalizer(),)
    late = dataclasses.replace(observed(build, deleting(build), cleanup_job=gone), now=build.now + GIVEN_UP_AFTER)
    assert plan(late).actions == (RemoveFinalizer(),)


def test_deletion_of_an_import_that_was_told_of_before_is_told(build: Build) -> None:
    ready = told_of(build, AssetEvent.READY)
    gone = CleanupJob(build.now, complete=True, failed=False)
    decided = plan(observed(build, deleting(build, ready), cleanup_job=gone))
    assert decided.status is not None
    assert decided.status.notification is not None
    assert decided.status.notification.event is AssetEvent.DELETED
    assert decided.status.notification.deliveries == []


def test_failure_that_nobody_retries_is_announced(build: Build) -> None:
    decided = plan(observed(build, build.mediaimport(metadata={"deep": "x" * 9000})))
    assert decided.status is not None
    assert decided.status.condition(ConditionType.READY).reason == Reason.SPEC_INVALID  # type: ignore[union-attr]
    assert shown(decided.status)[2] == "asset.failed: waits for crm, audit"
