"""Recording of ended imports in the catalogue's database, and their removal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.status import ConditionType, Status
from mediaimport_operator.decide.actions import DeleteResource, Plan
from mediaimport_operator.decide.conditions import ConditionBuilder
from mediaimport_operator.decide.history import recorded_history
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.decide.recording import pending
from mediaimport_operator.decide.status import StatusBuilder
from mediaimport_operator.observe.resource import Due, due

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

DAY = timedelta(days=1)


def mark(at: datetime) -> dict[str, Any]:
    return {"annotations": {"mediaimport.dev/recorded": at.strftime("%Y-%m-%dT%H:%M:%SZ")}}


def ended(build: Build, *, marked: datetime | None = None, namespace: str = "media", **spec: Any) -> Object:  # noqa: ANN401 - of the spec
    """Return a resource whose import ended now, and is marked for that time, if one is given."""
    status = Status(completed_at=build.now, run="", observed_generation=1)
    conditions = pending(
        observed(build, build.mediaimport()), ConditionBuilder(before=status, now=build.now, generation=1)
    )
    meta = ({} if marked is None else mark(marked)) | {"namespace": namespace}
    return build.mediaimport(status=status.model_copy(update={"conditions": conditions}), meta=meta, **spec)


def observed(build: Build, item: Object, *, after: timedelta = timedelta(), ttl_s: int = 86400) -> Observed:
    settings = build.settings(has_catalogue=True, default_ttl_s=ttl_s)
    return build.observed(item, settings=settings, now=build.now + after)


def recorded(decided: Plan) -> tuple[str, str] | None:
    condition = None if decided.status is None else decided.status.condition(ConditionType.RECORDED)
    return None if condition is None else (condition.status, condition.reason)


def test_ended_import_waits_to_be_recorded_whatever_its_time_to_live(build: Build) -> None:
    for item in (ended(build), ended(build, ttlSecondsAfterFinished=7200)):
        decided = plan(observed(build, item, after=9 * DAY))
        assert (decided.actions, decided.status, decided.requeue_at) == ((), None, None)


def test_recorded_import_says_so_and_is_removed_after_its_time_to_live(build: Build) -> None:
    item = ended(build, marked=build.now, ttlSecondsAfterFinished=7200)
    decided = plan(observed(build, item))
    assert (recorded(decided), decided.requeue_at) == (("True", "Recorded"), build.now + timedelta(hours=2))
    assert plan(observed(build, item, after=timedelta(hours=2))).actions == (DeleteResource(),)


def test_recorded_import_without_a_time_to_live_is_removed_after_a_day(build: Build) -> None:
    item = ended(build, marked=build.now)
    assert plan(observed(build, item)).requeue_at == build.now + DAY
    assert plan(observed(build, item, after=DAY)).actions == (DeleteResource(),)
    kept = plan(observed(build, item, after=9 * DAY, ttl_s=0))
    assert (kept.actions, recorded(kept), kept.requeue_at) == ((), ("True", "Recorded"), None)


def test_stored_objects_are_never_deleted_by_default(build: Build) -> None:
    finalizer = {"finalizers": ["mediaimport.dev/stored-objects"]}
    item = ended(build, marked=build.now, deletionPolicy="Delete")
    decided = plan(observed(build, item | {"metadata": item["metadata"] | finalizer}, after=9 * DAY))
    assert (DeleteResource() in decided.actions, decided.requeue_at) == (False, None)


def test_condition_is_written_once(build: Build) -> None:
    item = ended(build, marked=build.now)
    first = plan(observed(build, item)).status
    assert first is not None
    again = plan(observed(build, build.mediaimport(status=first, meta=mark(build.now))))
    assert again.status is None


def test_mark_of_an_earlier_run_does_not_count(build: Build) -> None:
    decided = plan(observed(build, ended(build, marked=build.now - DAY), after=9 * DAY))
    assert (decided.actions, decided.status) == ((), None)


def test_import_that_the_webhook_does_not_see_is_not_waited_for(build: Build) -> None:
    elsewhere = ended(build, namespace="other", ttlSecondsAfterFinished=7200)
    assert plan(observed(build, elsewhere, after=timedelta(hours=2))).actions == (DeleteResource(),)
    assert plan(observed(build, ended(build, namespace="other"), after=9 * DAY)).actions == ()


def test_without_a_catalogue_nothing_is_recorded_and_nothing_is_removed_by_default(build: Build) -> None:
    item = ended(build)
    assert plan(build.observed(item, now=build.now + 9 * DAY)).actions == ()
    assert pending(build.observed(item), ConditionBuilder(before=Status(), now=build.now, generation=1)) == []


def test_import_that_fails_is_still_to_be_recorded(build: Build) -> None:
    world = observed(build, build.mediaimport())
    status = StatusBuilder(world, recorded_history(world.resource)).failed(Reason.SOURCE_NOT_FOUND, "gone")
    condition = status.condition(ConditionType.RECORDED)
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "RecordingPending")


@pytest.mark.parametrize(("marked", "expected"), [(False, Due.NEVER), (True, Due.NOW)])
def test_mark_that_came_while_no_operator_ran_is_looked_at(build: Build, marked: bool, expected: Due) -> None:  # noqa: FBT001 - a case
    item = ended(build, marked=build.now if marked else None)
    assert due(item) is expected
    if not marked:
        assert due(item, ttl_by_default=True) is Due.AFTER_TTL
