from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe.resource import read
from mediaimport_operator.reconcile.events import event

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build


def told(build: Build, *, slot: bool = True, before: Object | None = None) -> Object | None:
    item = before or build.mediaimport()
    made = plan(build.observed(item, slot=slot, jobs=[], pods=[]))
    assert made.status is not None
    return event(read(item), made.status, now=build.now)


def test_a_change_is_told_with_the_conditions_reason(build: Build) -> None:
    posted = told(build)
    assert posted is not None
    assert (posted["reason"], posted["type"]) == ("Starting", "Normal")
    assert posted["involvedObject"]["uid"] == build.uid


def test_the_same_change_has_the_same_name(build: Build) -> None:
    first, second = told(build), told(build)
    assert first is not None
    assert second is not None
    assert first["metadata"]["name"] == second["metadata"]["name"]


def test_waiting_in_the_queue_is_not_told(build: Build) -> None:
    assert told(build, slot=False) is None


def test_a_failure_is_a_warning(build: Build) -> None:
    posted = told(build, before=build.mediaimport(source={"url": "ftp://nowhere"}))
    assert posted is not None
    assert (posted["type"], posted["reason"]) == ("Warning", "SpecInvalid")


def test_what_stays_is_not_told_again(build: Build) -> None:
    made = plan(build.observed())
    assert made.status is not None
    assert event(read(build.after(made)), made.status, now=build.now) is None
