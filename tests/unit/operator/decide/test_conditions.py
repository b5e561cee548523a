from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_operator.decide.conditions import complaint
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe import resource

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build


def told(conditions: list[Object] | None) -> list[tuple[str, str, str]]:
    return [(each["type"], each["status"], each["reason"]) for each in conditions or []]


def test_an_import_on_its_way_says_that_the_operator_fails(build: Build) -> None:
    conditions = complaint(build.mediaimport(), "it broke", now=build.now)
    assert told(conditions) == [("Ready", "False", "OperatorFailed"), ("Reconciling", "True", "OperatorFailed")]


def test_the_same_failure_is_written_once(build: Build) -> None:
    item = build.mediaimport()
    item["status"] = {"conditions": complaint(item, "it broke", now=build.now)}
    assert complaint(item, "it broke", now=build.now) is None
    assert complaint(item, "it broke otherwise", now=build.now) is not None


def test_what_cannot_be_parsed_is_no_hindrance(build: Build) -> None:
    item = build.mediaimport()
    item["status"] = {"conditions": [{"type": "Ready", "status": "Perhaps"}, {"type": "Own", "status": "True"}]}
    assert told([each | {"reason": ""} for each in complaint(item, "it broke", now=build.now) or []])[2][0] == "Own"


def test_an_import_that_is_ready_stays_so_and_heals(build: Build) -> None:
    pods = [build.ended_pod(message=build.imported().encode())]
    ready = build.after(plan(build.observed(jobs=[build.job()], pods=pods)))
    conditions = complaint(ready, "it broke", now=build.now)
    assert told(conditions)[0] == ("Reconciling", "True", "OperatorFailed")
    assert ("Ready", "True", "Imported") in told(conditions)
    ready["status"]["conditions"] = conditions
    healed = plan(build.observed(ready)).status
    assert healed is not None
    assert [(each.type, each.status) for each in healed.conditions] == [("Ready", "True"), ("ThumbnailReady", "True")]
    again = resource.read(ready | {"status": healed.to_wire()})
    assert again.completed
