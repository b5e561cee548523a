from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api import names
from mediaimport_api.reasons import Reason
from mediaimport_operator.decide.actions import (
    CreateCleanupJob,
    CreateJob,
    DeleteJob,
    HandOutCredentials,
    RemoveFinalizer,
    SetFinalizer,
    SlotRequest,
)
from mediaimport_operator.decide.observed import CleanupJob, Refusal
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe.job import read_pod

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

HELD = {"finalizers": ["someone.example/else", names.STORED_OBJECTS_FINALIZER]}
GONE_AT = {"deletionTimestamp": "2030-01-01T11:59:00Z"}


def deleted(build: Build, *, policy: str = "Delete", meta: Object | None = None, **observed: Any) -> Observed:  # noqa: ANN401 - arguments of the factory
    return build.observed(build.mediaimport(deletionPolicy=policy, meta=HELD | GONE_AT | (meta or {})), **observed)


def refusal(build: Build, *, ago: timedelta, message: str = "403: exceeded quota") -> Refusal:
    return Refusal(Reason.JOB_REFUSED, message, since=build.now - ago, retry_at=build.now + timedelta(seconds=5))


def message(observed: Observed) -> str:
    status = plan(observed).status
    assert status is not None
    assert status.conditions[0].reason == "Deleting"
    return status.conditions[0].message


def test_the_finalizer_is_there_before_the_first_job(build: Build) -> None:
    actions = plan(build.observed(build.mediaimport(deletionPolicy="Delete"))).actions
    assert SetFinalizer(present=True) in actions
    assert any(isinstance(each, CreateJob) for each in actions)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_the_finalizer_exists_only_with_its_policy(build: Build, policy: str) -> None:
    has = {"finalizers": [] if policy == "Delete" else [names.STORED_OBJECTS_FINALIZER]}
    assert (
        SetFinalizer(present=policy == "Delete")
        in plan(build.observed(build.mediaimport(deletionPolicy=policy, meta=has))).actions
    )
    right = {"finalizers": [names.STORED_OBJECTS_FINALIZER] if policy == "Delete" else []}
    planned = plan(build.observed(build.mediaimport(deletionPolicy=policy, meta=right)))
    assert not any(isinstance(each, SetFinalizer) for each in planned.actions)


def test_resource_without_the_finalizer_needs_nothing(build: Build) -> None:
    planned = plan(deleted(build, meta={"finalizers": ["foregroundDeletion"]}))
    assert (planned.actions, planned.status) == ((), None)


def refused(build: Build, **changes: Any) -> Object:  # noqa: ANN401 - JSON
    """A deleted resource whose spec this release refuses."""
    return build.mediaimport(**{"deletionPolicy": "Delete", "type": "hologram", "meta": HELD | GONE_AT} | changes)


def test_objects_of_a_spec_that_this_release_refuses_are_deleted(build: Build) -> None:
    observed = build.observed(refused(build))
    assert observed.resource.spec is None
    assert plan(observed).actions == (CreateCleanupJob(),)
    ended = replace(observed, cleanup_job=CleanupJob(build.now, complete=True, failed=False))
    assert plan(ended).actions == (RemoveFinalizer(),)


def test_spec_that_names_neither_user_nor_source_leaves_orphans_and_says_so(build: Build) -> None:
    for changes in ({"userId": 7}, {"source": {"url": 7}}):
        (action,) = plan(build.observed(refused(build, **changes))).actions
        assert action == RemoveFinalizer(orphan_reason="its spec says neither its user nor its source")


def test_finalizer_follows_the_policy_of_a_stored_asset_whatever_the_spec_says(build: Build) -> None:
    pods = [build.ended_pod(message=build.imported().encode())]
    ready = plan(build.observed(jobs=[build.job()], pods=pods)).status
    refused_spec: dict[str, Any] = {"type": "hologram", "deletionPolicy": "Delete"}
    for status, actions in ((ready, (SetFinalizer(present=True),)), (None, ())):
        assert plan(build.observed(build.mediaimport(status=status, **refused_spec))).actions == actions
    held: dict[str, Any] = {"type": "hologram", "meta": {"finalizers": [names.STORED_OBJECTS_FINALIZER]}}
    assert plan(build.observed(build.mediaimport(**held))).actions == (SetFinalizer(present=False),)


def test_finalizer_is_removed_at_once_under_retain(build: Build) -> None:
    assert plan(deleted(build, policy="Retain")).actions == (RemoveFinalizer(),)


def test_importer_is_stopped_first(build: Build) -> None:
    observed = deleted(build, jobs=[build.job()], pods=[build.running_pod()])
    job = observed.jobs[0]
    assert plan(observed).actions == (DeleteJob(job.name, job.uid),)
    assert message(observed) == "waits for its importer to stop"
    assert plan(deleted(build, pods=[build.running_pod()])).actions == (), "its Job is gone, it still ends"


def test_pod_whose_job_nobody_knows_is_waited_for(build: Build) -> None:
    observed = deleted(build, orphaned_pods=(read_pod(build.running_pod()),))
    assert plan(observed).actions == ()
    assert message(observed) == "waits for its importer to stop"


def test_pod_on_a_lost_node_does_not_delay_the_deletion(build: Build) -> None:
    pod = build.running_pod()
    pod["metadata"]["deletionTimestamp"] = "2030-01-01T11:58:00Z"
    assert plan(deleted(build, pods=[pod])).actions == (CreateCleanupJob(),)


def test_cleanup_job_needs_a_slot(build: Build) -> None:
    assert plan(deleted(build, slot=False)).slot is SlotRequest.WANTED
    assert message(deleted(build, slot=False)).startswith("waits for a slot to delete its stored objects: 10 of 10")
    planned = plan(deleted(build))
    assert (planned.actions, planned.slot) == ((CreateCleanupJob(),), SlotRequest.USED)


def test_finalizer_is_removed_once_the_objects_are_deleted(build: Build) -> None:
    running = deleted(
        build, cleanup_job=CleanupJob(build.now, complete=False, failed=False, last_error="the store is away")
    )
    assert plan(running).actions == ()
    assert message(running) == "its stored objects are being deleted; the last try failed: the store is away"
    assert plan(deleted(build, cleanup_job=CleanupJob(build.now, complete=True, failed=False))).actions == (
        RemoveFinalizer(),
    )


def test_finalizer_is_removed_with_a_reason_after_ten_minutes_of_failure(build: Build) -> None:
    failed = CleanupJob(build.now - timedelta(minutes=10), complete=False, failed=True, last_error="no bucket")
    assert plan(deleted(build, cleanup_job=failed)).actions == (RemoveFinalizer(orphan_reason="no bucket"),)
    lost = CleanupJob(build.now - timedelta(minutes=12), complete=False, failed=False)
    (action,) = plan(deleted(build, cleanup_job=lost)).actions
    assert isinstance(action, RemoveFinalizer)
    assert action.orphan_reason


def test_error_that_the_status_shows_outlives_the_pod_of_a_job_whose_deadline_is_over(build: Build) -> None:
    away = CleanupJob(build.now, complete=False, failed=False, last_error="the store is away")
    shown = plan(deleted(build, cleanup_job=away)).status
    assert shown is not None
    item = build.mediaimport(status=shown, deletionPolicy="Delete", meta=HELD | GONE_AT)
    again = build.observed(item, cleanup_job=replace(away, last_error=None))
    assert message(again) == "its stored objects are being deleted; the last try failed: the store is away"
    over = build.observed(item, cleanup_job=replace(away, last_error=None, failed=True))
    assert plan(over).actions == (RemoveFinalizer(orphan_reason="the store is away"),)


def test_refused_cleanup_job_is_retried_for_ten_minutes_after_the_deletion(build: Build) -> None:
    old = refusal(build, ago=timedelta(minutes=30))
    assert plan(deleted(build, refusal=old)).actions == (), "the import's own Job was refused before"
    late = {"deletionTimestamp": "2030-01-01T11:49:00Z"}
    assert plan(deleted(build, meta=late, refusal=old)).actions == (
        RemoveFinalizer(orphan_reason="403: exceeded quota"),
    )


def test_finalizer_is_removed_at_once_in_a_terminating_operator_namespace(build: Build) -> None:
    ending = refusal(build, ago=timedelta(), message="403: unable to create: namespace media is being terminated")
    assert isinstance(plan(deleted(build, refusal=ending)).actions[0], RemoveFinalizer)


def test_status_of_a_deletion_keeps_asset_and_phase(build: Build) -> None:
    pods = [build.ended_pod(message=build.imported().encode())]
    ready = plan(build.observed(jobs=[build.job()], pods=pods)).status
    assert ready is not None
    item = build.mediaimport(status=ready, deletionPolicy="Delete", meta=HELD | GONE_AT)
    status = plan(build.observed(item)).status
    assert status is not None
    assert (status.asset, status.phase, status.completed_at) == (ready.asset, ready.phase, ready.completed_at)


def test_importer_whose_end_no_watch_shows_is_waited_for_ten_minutes(build: Build) -> None:
    running: dict[str, Any] = {"jobs": [build.job()], "pods": [build.running_pod()]}
    assert DeleteJob in {type(each) for each in plan(deleted(build, **running)).actions}
    late = {"deletionTimestamp": "2030-01-01T11:49:00Z"}
    assert plan(deleted(build, meta=late, **running)).actions == (CreateCleanupJob(),)


def test_cleanup_job_gets_credentials_after_a_restart_of_the_operator(build: Build) -> None:
    job = CleanupJob(build.now, complete=False, failed=False, name="cleanup", uid="u")
    settings = build.settings(session=build.session())
    assert plan(deleted(build, settings=settings, cleanup_job=job)).actions == (HandOutCredentials("cleanup", "u"),)
    assert plan(deleted(build, settings=settings, cleanup_job=job, has_credentials="u")).actions == ()
    refused = deleted(build, settings=settings, cleanup_job=job, refusal=refusal(build, ago=timedelta()))
    assert plan(refused).actions == ()
    assert message(refused) == "its stored objects cannot be deleted yet: 403: exceeded quota"
    ended = replace(job, complete=True)
    assert plan(deleted(build, settings=settings, cleanup_job=ended)).actions == (RemoveFinalizer(),)


def test_refused_cleanup_job_is_created_again_in_its_time(build: Build) -> None:
    due = replace(refusal(build, ago=timedelta(seconds=9)), retry_at=build.now)
    assert plan(deleted(build, refusal=due)).actions == (CreateCleanupJob(),)
