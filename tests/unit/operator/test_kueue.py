from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mediaimport_api import names
from mediaimport_operator.decide.actions import CreateJob, Slot
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build

LABELS = {names.LABEL_QUEUE: "media", names.LABEL_QUEUE_PRIORITY: "high", "team": "film"}


def labelled(build: Build, *, kueue: bool = True, **observed: Any) -> Observed:  # noqa: ANN401
    item = build.mediaimport(meta={"labels": LABELS})
    return build.observed(item, settings=build.settings(kueue=kueue), **observed)


def suspended(build: Build) -> Object:
    return build.job() | {"spec": {"suspend": True}}


def condition(observed: Observed) -> tuple[str, str]:
    status = plan(observed).status
    assert status is not None
    return status.conditions[0].reason, status.conditions[0].message


def test_kueues_labels_are_passed_and_the_job_waits_for_it(build: Build) -> None:
    made = import_job.job(
        resource.read(build.mediaimport(meta={"labels": LABELS})), build.settings(kueue=True), attempt=1
    )
    assert made["spec"]["suspend"] is True
    kueues = {name: value for name, value in made["metadata"]["labels"].items() if name.startswith("kueue")}
    assert kueues == {names.LABEL_QUEUE: "media", names.LABEL_QUEUE_PRIORITY: "high"}
    assert "team" not in made["metadata"]["labels"]


def test_the_own_cap_steps_aside(build: Build) -> None:
    made = plan(labelled(build, slot=False))
    assert any(isinstance(each, CreateJob) for each in made.actions)
    assert made.slot is Slot.NONE
    assert plan(labelled(build, jobs=[build.job()], pods=[build.running_pod()])).slot is Slot.NONE


def test_a_job_that_kueue_has_not_admitted_is_queued(build: Build) -> None:
    observed = labelled(build, jobs=[suspended(build)], now=build.now + timedelta(hours=1))
    assert condition(observed) == ("Queued", "waits for Kueue to admit it by the queue media")


def test_a_job_that_kueue_takes_its_place_from_is_queued_again_and_not_failed(build: Build) -> None:
    stopped = build.ended_pod(exit_code=143, meta={"deletionTimestamp": "2030-01-01T12:00:00Z"})
    assert condition(labelled(build, jobs=[suspended(build)], relics=[stopped]))[0] == "Queued"
    resumed = build.running_pod() | {"metadata": build.running_pod()["metadata"] | {"name": "second", "uid": "second"}}
    made = plan(labelled(build, jobs=[build.job()], relics=[stopped], pods=[resumed]))
    assert (condition(labelled(build, jobs=[build.job()], relics=[stopped], pods=[resumed]))[0], made.follow) == (
        "Importing",
        "second",
    )


def test_without_kueue_the_label_is_ignored_and_that_is_said(build: Build) -> None:
    assert plan(labelled(build, kueue=False, slot=False)).slot is Slot.WANTED
    reason, message = condition(labelled(build, kueue=False))
    assert reason == "Starting"
    assert "kueue.x-k8s.io/queue-name is ignored" in message
    made = import_job.job(resource.read(build.mediaimport(meta={"labels": LABELS})), build.settings(), attempt=1)
    assert "suspend" not in made["spec"]
    assert names.LABEL_QUEUE not in made["metadata"]["labels"]


def test_an_import_without_a_queue_keeps_to_our_caps(build: Build) -> None:
    made = plan(build.observed(settings=build.settings(kueue=True), slot=False))
    assert made.slot is Slot.WANTED
    assert resource.read(build.mediaimport(meta={"labels": {names.LABEL_QUEUE_PRIORITY: "high"}})).queue is None
