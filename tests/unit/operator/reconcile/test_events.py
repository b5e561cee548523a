from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe.resource import read
from mediaimport_operator.reconcile.events import status_event

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def event_of(build: Build, *, slot: bool = True, before: Object | None = None) -> Object | None:
    item = before or build.mediaimport()
    planned = plan(build.observed(item, slot=slot, jobs=[], pods=[]))
    assert planned.status is not None
    return status_event(read(item), planned.status, now=build.now)


def test_event_has_the_conditions_reason(build: Build) -> None:
    posted = event_of(build)
    assert posted is not None
    assert (posted["reason"], posted["type"]) == ("Starting", "Normal")
    assert posted["involvedObject"]["uid"] == build.uid


def test_event_of_the_same_change_has_the_same_name(build: Build) -> None:
    first, second = event_of(build), event_of(build)
    assert first is not None
    assert second is not None
    assert first["metadata"]["name"] == second["metadata"]["name"]


def test_queued_import_has_no_event(build: Build) -> None:
    assert event_of(build, slot=False) is None


def test_failure_is_a_warning_event(build: Build) -> None:
    posted = event_of(build, before=build.mediaimport(source={"url": "ftp://nowhere"}))
    assert posted is not None
    assert (posted["type"], posted["reason"]) == ("Warning", "SpecInvalid")


def test_unchanged_reason_has_no_second_event(build: Build) -> None:
    planned = plan(build.observed())
    assert planned.status is not None
    assert status_event(read(build.after(planned)), planned.status, now=build.now) is None
