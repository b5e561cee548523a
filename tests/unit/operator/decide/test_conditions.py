from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_operator.decide.conditions import failed_status, failure_conditions
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe import resource

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def summary(conditions: list[Object] | None) -> list[tuple[str, str, str]]:
    return [(each["type"], each["status"], each["reason"]) for each in conditions or []]


def test_import_in_progress_shows_that_its_reconcile_fails(build: Build) -> None:
    conditions = failure_conditions(build.mediaimport(), "it broke", now=build.now)
    assert summary(conditions) == [("Ready", "False", "OperatorFailed"), ("Reconciling", "True", "OperatorFailed")]


def test_the_same_failure_is_written_once(build: Build) -> None:
    item = build.mediaimport()
    item["status"] = {"conditions": failure_conditions(item, "it broke", now=build.now)}
    assert failure_conditions(item, "it broke", now=build.now) is None
    assert failure_conditions(item, "it broke otherwise", now=build.now) is not None


def test_failure_is_shown_although_the_conditions_cannot_be_parsed(build: Build) -> None:
    item = build.mediaimport()
    item["status"] = {"conditions": [{"type": "Ready", "status": "Perhaps"}, {"type": "Own", "status": "True"}]}
    assert (
        summary([each | {"reason": ""} for each in failure_conditions(item, "it broke", now=build.now) or []])[2][0]
        == "Own"
    )


def test_ready_import_stays_ready_while_its_reconcile_fails(build: Build) -> None:
    pods = [build.ended_pod(message=build.imported().encode())]
    ready = build.after(plan(build.observed(jobs=[build.job()], pods=pods)))
    conditions = failure_conditions(ready, "it broke", now=build.now)
    assert summary(conditions)[0] == ("Reconciling", "True", "OperatorFailed")
    assert ("Ready", "True", "Imported") in summary(conditions)
    ready["status"]["conditions"] = conditions
    healed = plan(build.observed(ready)).status
    assert healed is not None
    assert [(each.type, each.status) for each in healed.conditions] == [
        ("Ready", "True"),
        ("Described", "True"),
        ("ThumbnailReady", "True"),
    ]
    again = resource.read(ready | {"status": healed.to_wire()})
    assert again.completed


def test_import_that_is_given_up_has_failed_with_its_cause(build: Build) -> None:
    started = build.after(plan(build.observed()))
    status = failed_status(started, "it broke ten times", now=build.now)
    assert status is not None
    written = resource.read(started | {"status": status.to_wire()})
    assert written.completed
    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("Ready", "False", "OperatorFailed"),
        ("Stalled", "True", "OperatorFailed"),
    ]
    assert (status.phase, status.error and status.error.message) == ("Failed", "it broke ten times")
    assert plan(build.observed(started | {"status": status.to_wire()})).status is None
    again = build.mediaimport(status=status, run="again")
    assert plan(build.observed(again)).actions, "a new run tries again"


def test_import_that_is_completed_or_being_deleted_is_not_given_up(build: Build) -> None:
    given_up = build.mediaimport(status=failed_status(build.mediaimport(), "it broke", now=build.now))
    assert failed_status(given_up, "it broke again", now=build.now) is None
    deleted = build.mediaimport(meta={"deletionTimestamp": "2030-01-01T12:00:00Z"})
    assert failed_status(deleted, "it broke", now=build.now) is None
