from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api import names
from mediaimport_api.reasons import Reason
from mediaimport_operator.decide.actions import CreateEraser, CreateJob, DeleteJob, Hold, LetGo, Slot
from mediaimport_operator.decide.observed import Eraser, Refusal
from mediaimport_operator.decide.plan import plan

if TYPE_CHECKING:
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build

HELD = {"finalizers": ["someone.example/else", names.STORED_OBJECTS_FINALIZER]}
GONE_AT = {"deletionTimestamp": "2030-01-01T11:59:00Z"}


def leaving(build: Build, *, policy: str = "Delete", meta: Object | None = None, **observed: Any) -> Observed:  # noqa: ANN401
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
    assert Hold(on=True) in actions
    assert any(isinstance(each, CreateJob) for each in actions)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_the_finalizer_exists_only_with_its_policy(build: Build, policy: str) -> None:
    has = {"finalizers": [] if policy == "Delete" else [names.STORED_OBJECTS_FINALIZER]}
    assert (
        Hold(on=policy == "Delete") in plan(build.observed(build.mediaimport(deletionPolicy=policy, meta=has))).actions
    )
    right = {"finalizers": [names.STORED_OBJECTS_FINALIZER] if policy == "Delete" else []}
    made = plan(build.observed(build.mediaimport(deletionPolicy=policy, meta=right)))
    assert not any(isinstance(each, Hold) for each in made.actions)


def test_a_resource_that_nothing_holds_goes_by_itself(build: Build) -> None:
    made = plan(leaving(build, meta={"finalizers": ["foregroundDeletion"]}))
    assert (made.actions, made.status) == ((), None)


def test_with_retain_it_is_let_go_at_once(build: Build) -> None:
    assert plan(leaving(build, policy="Retain")).actions == (LetGo(),)


def test_the_importer_is_stopped_first(build: Build) -> None:
    observed = leaving(build, jobs=[build.job()], pods=[build.running_pod()])
    job = observed.jobs[0]
    assert plan(observed).actions == (DeleteJob(job.name, job.uid),)
    assert message(observed) == "waits for its importer to stop"
    assert plan(leaving(build, pods=[build.running_pod()])).actions == (), "its Job is gone, it still ends"


def test_a_pod_on_a_dead_node_is_not_waited_for(build: Build) -> None:
    pod = build.running_pod()
    pod["metadata"]["deletionTimestamp"] = "2030-01-01T11:58:00Z"
    assert plan(leaving(build, pods=[pod])).actions == (CreateEraser(),)


def test_the_deletion_takes_a_slot(build: Build) -> None:
    assert plan(leaving(build, slot=False)).slot is Slot.WANTED
    assert message(leaving(build, slot=False)).startswith("waits for a slot to delete its stored objects: 10 of 10")
    made = plan(leaving(build))
    assert (made.actions, made.slot) == ((CreateEraser(),), Slot.USED)


def test_it_is_let_go_once_the_objects_are_gone(build: Build) -> None:
    running = leaving(build, eraser=Eraser(build.now, complete=False, failed=False, words="the store is away"))
    assert plan(running).actions == ()
    assert message(running) == "its stored objects are being deleted; so far in vain: the store is away"
    assert plan(leaving(build, eraser=Eraser(build.now, complete=True, failed=False))).actions == (LetGo(),)


def test_after_ten_minutes_in_vain_it_is_let_go_and_said(build: Build) -> None:
    failed = Eraser(build.now - timedelta(minutes=10), complete=False, failed=True, words="no bucket")
    assert plan(leaving(build, eraser=failed)).actions == (LetGo(left="no bucket"),)
    lost = Eraser(build.now - timedelta(minutes=12), complete=False, failed=False)
    (action,) = plan(leaving(build, eraser=lost)).actions
    assert isinstance(action, LetGo)
    assert action.left


def test_a_job_that_is_refused_is_waited_for_ten_minutes_from_the_deletion(build: Build) -> None:
    old = refusal(build, ago=timedelta(minutes=30))
    assert plan(leaving(build, refusal=old)).actions == (), "the import's own Job was refused before"
    late = {"deletionTimestamp": "2030-01-01T11:49:00Z"}
    assert plan(leaving(build, meta=late, refusal=old)).actions == (LetGo(left="403: exceeded quota"),)


def test_an_operator_whose_own_namespace_goes_lets_go_at_once(build: Build) -> None:
    ending = refusal(build, ago=timedelta(), message="403: unable to create: namespace media is being terminated")
    assert isinstance(plan(leaving(build, refusal=ending)).actions[0], LetGo)


def test_what_it_says_while_it_goes_keeps_the_rest_of_the_status(build: Build) -> None:
    pods = [build.ended_pod(message=build.imported().encode())]
    ready = plan(build.observed(jobs=[build.job()], pods=pods)).status
    assert ready is not None
    item = build.mediaimport(status=ready, deletionPolicy="Delete", meta=HELD | GONE_AT)
    status = plan(build.observed(item)).status
    assert status is not None
    assert (status.asset, status.phase, status.completed_at) == (ready.asset, ready.phase, ready.completed_at)
