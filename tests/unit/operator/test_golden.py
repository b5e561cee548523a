"""Resources that versions have written, read by the operator of today."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import STORED_OBJECTS_FINALIZER
from mediaimport_api.reasons import Reason
from mediaimport_api.spec import Spec
from mediaimport_api.status import ConditionType, Status
from mediaimport_operator.decide.actions import CreateJob
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe import resource

from tests.support import golden
from tests.support.import_runs import failing, started

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

VERSIONS = pytest.mark.parametrize("folder", golden.FOLDERS, ids=lambda folder: folder.name)


def ready(build: Build) -> Object:
    begun = build.after(plan(build.observed(build.mediaimport(**golden.SPEC))), **golden.SPEC)
    run = golden.SPEC["run"]
    pod = build.pod(
        run=run, containerStatuses=build.ended_pod(message=build.imported().encode())["status"]["containerStatuses"]
    )
    item = build.after(plan(build.observed(begun, jobs=[build.job(run=run)], pods=[pod])), **golden.SPEC)
    item["metadata"]["finalizers"] = [STORED_OBJECTS_FINALIZER]
    return item


def importing(build: Build) -> Object:
    return build.after(plan(build.observed(started(build), jobs=[build.job()], pods=[build.running_pod()])))


def failed(build: Build) -> Object:
    return build.after(plan(failing(build, started(build), 1, Reason.SOURCE_TOO_LARGE)))


def retrying(build: Build) -> Object:
    return build.after(plan(failing(build, started(build), 1)))


MADE = {"ready": ready, "importing": importing, "failed": failed, "retrying": retrying}


@pytest.mark.parametrize("name", MADE)
def test_todays_resource_has_all_that_the_golden_one_has(name: str, build: Build) -> None:
    item = MADE[name](build)
    golden.keep(f"resource-{name}", item)
    assert golden.lost(golden.read(golden.CURRENT, f"resource-{name}"), item) == [], golden.HINT


@VERSIONS
@pytest.mark.parametrize("name", MADE)
def test_resource_of_a_version_is_read_without_a_loss(folder: Path, name: str) -> None:
    item: dict[str, Any] = golden.read(folder, f"resource-{name}")
    status = Status.model_validate(item["status"])
    assert golden.lost(item["status"], status.to_wire()) == []
    assert golden.lost(item["spec"], Spec.model_validate(item["spec"]).to_wire()) == []
    observed = resource.read(item)
    assert observed.name == "film"


@VERSIONS
def test_finished_resource_of_a_version_stays_as_it_is(folder: Path, build: Build) -> None:
    for name in ("ready", "failed"):
        planned = plan(build.observed(golden.read(folder, f"resource-{name}"), now=build.now + timedelta(seconds=5)))
        assert planned.actions == (), name
        assert planned.status is None, name


@VERSIONS
def test_retry_that_a_version_has_planned_is_made(folder: Path, build: Build) -> None:
    item = golden.read(folder, "resource-retrying")
    planned = plan(build.observed(item, jobs=[build.failed_job()], now=build.now + timedelta(minutes=10)))
    assert CreateJob(attempt=2, more_memory=False) in planned.actions


@VERSIONS
def test_ready_condition_of_a_version_has_its_reason(folder: Path) -> None:
    reasons = {}
    for name in MADE:
        condition = Status.model_validate(golden.read(folder, f"resource-{name}")["status"]).condition(
            ConditionType.READY
        )
        reasons[name] = condition.reason if condition else ""
    assert (reasons["ready"], reasons["failed"]) == ("Imported", "SourceTooLarge")
