from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_operator.decide.conditions import failure_conditions
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
    assert [(each.type, each.status) for each in healed.conditions] == [("Ready", "True"), ("ThumbnailReady", "True")]
    again = resource.read(ready | {"status": healed.to_wire()})
    assert again.completed
