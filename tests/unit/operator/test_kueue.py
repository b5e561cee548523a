from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api import names
from mediaimport_api.reasons import Reason
from mediaimport_operator.decide.actions import CreateJob, SlotRequest
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

LABELS = {names.LABEL_QUEUE: "media", names.LABEL_QUEUE_PRIORITY: "high", "team": "film"}


def labelled(build: Build, *, kueue: bool = True, **observed: Any) -> Observed:  # noqa: ANN401 - arguments of the factory
    item = build.mediaimport(meta={"labels": LABELS})
    return build.observed(item, settings=build.settings(kueue=kueue), **observed)


def suspended(build: Build) -> Object:
    return build.job() | {"spec": {"suspend": True}}


def condition(observed: Observed) -> tuple[str, str]:
    status = plan(observed).status
    assert status is not None
    return status.conditions[0].reason, status.conditions[0].message


def test_job_has_kueues_labels_and_starts_suspended(build: Build) -> None:
    job = import_job.job(
        resource.read(build.mediaimport(meta={"labels": LABELS})), build.settings(kueue=True), attempt=1
    )
    assert job["spec"]["suspend"] is True
    kueues = {name: value for name, value in job["metadata"]["labels"].items() if name.startswith("kueue")}
    assert kueues == {names.LABEL_QUEUE: "media", names.LABEL_QUEUE_PRIORITY: "high"}
    assert "team" not in job["metadata"]["labels"]


def test_own_caps_do_not_apply_with_kueue(build: Build) -> None:
    planned = plan(labelled(build, slot=False))
    assert any(isinstance(each, CreateJob) for each in planned.actions)
    assert planned.slot is SlotRequest.NONE
    assert plan(labelled(build, jobs=[build.job()], pods=[build.running_pod()])).slot is SlotRequest.NONE


def test_a_job_that_kueue_has_not_admitted_is_queued(build: Build) -> None:
    observed = labelled(build, jobs=[suspended(build)], now=build.now + timedelta(hours=1))
    assert condition(observed) == ("Queued", "waits for Kueue to admit it by the queue media")


def test_job_that_kueue_preempts_is_queued_again_and_has_not_failed(build: Build) -> None:
    stopped = build.ended_pod(exit_code=143, meta={"deletionTimestamp": "2030-01-01T12:00:00Z"})
    assert condition(labelled(build, jobs=[suspended(build)], deleted_pods=[stopped]))[0] == "Queued"
    resumed = build.running_pod() | {"metadata": build.running_pod()["metadata"] | {"name": "second", "uid": "second"}}
    observed = labelled(build, jobs=[build.job()], deleted_pods=[stopped], pods=[resumed])
    assert condition(observed)[0] == "Importing"
    assert plan(observed).follow == "second"


PREEMPTED = {"deletionTimestamp": "2030-01-01T12:00:00Z", "creationTimestamp": "2030-01-01T11:59:20Z"}


@pytest.mark.parametrize("exit_code", [30, 137, 143])
@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=30), timedelta(hours=1)], ids=str)
@pytest.mark.parametrize("deleted", [False, True])
def test_job_that_kueue_preempts_stays_queued_however_long(
    build: Build, exit_code: int, later: timedelta, *, deleted: bool
) -> None:
    stopped = build.ended_pod(exit_code=exit_code, meta=PREEMPTED)
    pods: dict[str, Any] = {"deleted_pods" if deleted else "pods": [stopped]}
    observed = labelled(build, jobs=[suspended(build)], now=build.now + later, **pods)
    assert condition(observed) == ("Queued", "waits for Kueue to admit it by the queue media")


def job_of(build: Build, *, suspended: str, suspend: bool) -> Object:
    """Return a Job with the condition Suspended, which became so two hours after it was preempted."""
    changed = {"type": "Suspended", "status": suspended, "lastTransitionTime": "2030-01-01T14:00:00Z"}
    return build.job(conditions=[changed]) | {"spec": {"suspend": suspend}}


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize(
    ("suspended", "after", "expected"),
    [
        pytest.param("True", timedelta(hours=2), "Queued", id="the Job controller has not resumed it"),
        pytest.param("False", timedelta(hours=2), "Starting", id="no pod yet"),
        pytest.param("False", timedelta(hours=2, minutes=1), "Starting", id="no pod for a minute"),
    ],
)
def test_job_that_kueue_admits_again_starts_whatever_became_of_its_former_pod(
    build: Build, suspended: str, after: timedelta, expected: str, *, deleted: bool
) -> None:
    stopped = build.ended_pod(exit_code=143, meta=PREEMPTED)
    pods: dict[str, Any] = {"deleted_pods" if deleted else "pods": [stopped]}
    job = job_of(build, suspended=suspended, suspend=False)
    assert condition(labelled(build, jobs=[job], now=build.now + after, **pods))[0] == expected


def test_pod_that_is_deleted_after_its_job_was_resumed_ends_the_attempt(build: Build) -> None:
    made = {"creationTimestamp": "2030-01-01T13:59:59Z", "deletionTimestamp": "2030-01-01T14:05:00Z"}
    stopped = build.ended_pod(exit_code=143, meta=made)
    job = job_of(build, suspended="False", suspend=False)
    observed = labelled(build, jobs=[job], deleted_pods=[stopped], now=build.now + timedelta(hours=3))
    status = plan(observed).status
    assert status is not None
    assert status.attempts[0].reason is Reason.DISRUPTED


def test_label_is_ignored_without_kueue_and_the_message_says_so(build: Build) -> None:
    assert plan(labelled(build, kueue=False, slot=False)).slot is SlotRequest.WANTED
    reason, message = condition(labelled(build, kueue=False))
    assert reason == "Starting"
    assert "kueue.x-k8s.io/queue-name is ignored" in message
    job = import_job.job(resource.read(build.mediaimport(meta={"labels": LABELS})), build.settings(), attempt=1)
    assert "suspend" not in job["spec"]
    assert names.LABEL_QUEUE not in job["metadata"]["labels"]


def test_an_import_without_a_queue_keeps_to_our_caps(build: Build) -> None:
    planned = plan(build.observed(settings=build.settings(kueue=True), slot=False))
    assert planned.slot is SlotRequest.WANTED
    assert resource.read(build.mediaimport(meta={"labels": {names.LABEL_QUEUE_PRIORITY: "high"}})).queue is None
