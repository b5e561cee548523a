"""The composed plan: the step that follows from the observed state. Policies are tested together, in their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.result import DescriptionOutcome
from mediaimport_api.status import ConditionType, Media, MediaWarning, Phase, Progress, Status, Step
from mediaimport_operator.decide.actions import CreateJob, DeleteJob, DeleteResource, HandOutCredentials, SlotRequest
from mediaimport_operator.decide.observed import START_GRACE, Refusal
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.decide.status import StatusBuilder
from mediaimport_operator.observe.job import read_pod

from tests.support.import_runs import failed_often, failing, ready_reason, started, status_of

if TYPE_CHECKING:
    from mediaimport_operator.decide.actions import Plan
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def imported(build: Build, item: Object, attempt: int = 1, **changes: object) -> Plan:
    given: dict[str, Any] = dict(changes)
    pod = build.ended_pod(attempt, message=build.imported(**given).encode())
    return plan(build.observed(item, jobs=[build.job(attempt)], pods=[pod]))


# --- without failures ---


def test_a_new_import_with_a_slot_gets_its_first_job(build: Build) -> None:
    planned = plan(build.observed())
    assert planned.actions == (CreateJob(attempt=1, more_memory=False),)
    assert planned.slot is SlotRequest.USED
    status = status_of(planned)
    assert (status.phase, ready_reason(planned)) == (Phase.PENDING, "Starting")
    assert status.tally is not None
    assert status.tally.started == 1
    assert status.source_host == "source.example"
    assert planned.requeue_at == build.now + START_GRACE, "a Job whose pods are refused reports nothing by itself"


def test_no_status_ever_holds_the_urls_query(build: Build) -> None:
    assert "secret" not in str(status_of(plan(build.observed())).to_wire())


def test_import_without_a_slot_is_queued_with_the_reason(build: Build) -> None:
    planned = plan(build.observed(slot=False))
    assert (planned.actions, planned.slot) == ((), SlotRequest.WANTED)
    condition = status_of(planned).condition(ConditionType.RECONCILING)
    assert condition is not None
    assert condition.message == "waits for a slot: 10 of 10 in flight"
    assert status_of(planned).phase is Phase.QUEUED


def test_import_from_the_queue_is_shown_there_until_its_importer_runs(build: Build) -> None:
    item = build.after(plan(build.observed(slot=False)))
    planned = plan(build.observed(item))
    assert (planned.actions, planned.slot, planned.status) == (
        (CreateJob(attempt=1, more_memory=False),),
        SlotRequest.USED,
        None,
    )
    young = build.job(meta={"creationTimestamp": "2030-01-01T12:00:00Z"})
    soon = plan(build.observed(item, jobs=[young]))
    assert (soon.status, soon.slot, soon.requeue_at) == (None, SlotRequest.USED, planned.requeue_at)
    running = status_of(plan(build.observed(item, jobs=[young], pods=[build.running_pod()])))
    assert (running.phase, running.started_at, [each.number for each in running.attempts]) == (
        Phase.IMPORTING,
        build.now,
        [1],
    )


def test_import_from_the_queue_that_does_not_run_is_shown_as_starting(build: Build) -> None:
    item = build.after(plan(build.observed(slot=False)))
    planned = plan(build.observed(item, jobs=[build.job()]))
    assert (status_of(planned).phase, ready_reason(planned), planned.slot) == (
        Phase.PENDING,
        "Starting",
        SlotRequest.USED,
    )


def test_attempt_with_only_a_pod_left_is_not_repeated(build: Build) -> None:
    item = build.after(plan(build.observed(slot=False)))
    pod = build.ended_pod(message=build.imported().encode())
    assert ready_reason(plan(build.observed(item, pods=[pod]))) == "Imported"


def test_a_running_importer_is_followed(build: Build) -> None:
    progress = Progress(step=Step.DOWNLOAD, percent=42)
    item = started(build)
    planned = plan(build.observed(item, jobs=[build.job()], pods=[build.running_pod()], progress=progress))
    assert (planned.follow, planned.slot, planned.actions) == ("film-1-xyz", SlotRequest.USED, ())
    assert status_of(planned).phase is Phase.IMPORTING
    assert status_of(planned).progress == progress


def test_status_says_what_a_running_importer_waits_for(build: Build) -> None:
    progress = Progress(step=Step.COMMIT, message="the store does not answer; the media is kept")
    item = started(build)
    planned = plan(build.observed(item, jobs=[build.job()], pods=[build.running_pod()], progress=progress))
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    assert condition.message == "attempt 1 is running and waits: the store does not answer; the media is kept"


def test_progress_stays_while_a_new_operator_has_not_read_the_log(build: Build) -> None:
    progress = Progress(step=Step.DOWNLOAD, percent=42)
    running: dict[str, Any] = {"jobs": [build.job()], "pods": [build.running_pod()]}
    item = build.after(plan(build.observed(started(build), **running, progress=progress)))
    assert status_of(plan(build.observed(item, **running))).progress == progress


def test_an_imported_result_makes_the_import_ready(build: Build) -> None:
    planned = imported(build, started(build))
    status = status_of(planned)
    assert (status.phase, ready_reason(planned), planned.slot) == (Phase.READY, "Imported", SlotRequest.NONE)
    assert status.asset is not None
    assert (status.size_text, status.duration_text) == ("1.4 MiB", "5.2s")
    assert status.completed_at == build.now
    assert {each.type for each in status.conditions} == {"Ready", "Described", "ThumbnailReady"}


@pytest.mark.parametrize(
    ("described", "warnings", "expected"),
    [
        (Reason.DESCRIBED, None, ("True", "Described")),
        (Reason.NOTHING_TO_DESCRIBE, None, ("False", "NothingToDescribe")),
        (Reason.PROBE_FAILED, [MediaWarning.DESCRIPTION_MISSING], ("False", "ProbeFailed")),
        (None, None, ("True", "Described")),
        (None, [MediaWarning.DESCRIPTION_MISSING], ("False", "OutOfMemory")),
    ],
    ids=["described", "no media", "unreadable", "of an older importer", "of an older importer, out of memory"],
)
def test_ready_import_says_whether_it_is_described(
    build: Build, described: Reason | None, warnings: list[MediaWarning] | None, expected: tuple[str, str]
) -> None:
    outcome = None if described is None else DescriptionOutcome.model_validate({"reason": described, "message": "so"})
    media = Media(format_name="mp4", warnings=warnings)
    result = build.imported().model_copy(update={"description": outcome, "media": media})
    pods = [build.ended_pod(message=result.encode())]

    status = status_of(plan(build.observed(started(build), jobs=[build.job()], pods=pods)))

    condition = status.condition(ConditionType.DESCRIBED)
    assert condition is not None
    assert (status.phase, condition.status, condition.reason) == (Phase.READY, *expected)


def test_description_of_a_stored_asset_stays_told_while_another_run_is_under_way(build: Build) -> None:
    again = build.after(imported(build, started(build)), run="again")

    status = status_of(plan(build.observed(again)))

    assert status.phase is not Phase.READY
    assert status.condition(ConditionType.DESCRIBED) is not None


def test_a_failed_thumbnail_is_not_a_failed_import(build: Build) -> None:
    status = status_of(imported(build, started(build), thumbnail=False))
    condition = status.condition(ConditionType.THUMBNAIL_READY)
    assert status.phase is Phase.READY
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "ThumbnailFailed")


def test_import_that_a_newer_release_has_completed_is_left_alone(build: Build) -> None:
    item = build.after(imported(build, started(build)))
    item["status"]["media"]["warnings"] = ["FromTheFuture"]
    item["status"]["asset"]["kind"] = "hologram"
    item["status"]["conditions"].append(
        {
            "type": "New",
            "status": "True",
            "reason": "X",
            "message": "m" * 2000,
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
    )
    planned = plan(build.observed(item))
    assert (planned.status, planned.actions, planned.slot) == (None, (), SlotRequest.NONE)


def test_attempt_that_cannot_be_read_in_the_status_is_the_one_that_its_job_shows(build: Build) -> None:
    item = started(build, 2)
    item["status"]["attempts"][0] = {"number": 2, "future": True}
    running = plan(build.observed(item, jobs=[build.job(2)], pods=[build.running_pod(2)]))
    assert [each.number for each in status_of(running).attempts] == [2, 1]
    assert status_of(running).attempts[0].job_name == build.job(2)["metadata"]["name"]
    item["status"]["attempts"] = []
    gone = plan(build.observed(item))
    assert status_of(gone).attempts[0].reason is Reason.DISRUPTED


def test_completed_import_is_left_alone(build: Build) -> None:
    item = build.after(imported(build, started(build)))
    planned = plan(build.observed(item))
    assert (planned.status, planned.actions, planned.requeue_at, planned.slot) == (None, (), None, SlotRequest.NONE)


def test_second_reconcile_changes_nothing_in_the_status(build: Build) -> None:
    running: dict[str, Any] = {"jobs": [build.job()], "pods": [build.running_pod()]}
    first = plan(build.observed(started(build), **running))
    later = build.observed(build.after(first), **running, now=build.now + timedelta(seconds=9))
    assert status_of(plan(later)) == status_of(first)


# --- restarts ---


def test_a_job_that_the_status_does_not_know_is_adopted(build: Build) -> None:
    planned = plan(build.observed(jobs=[build.job()], pods=[build.running_pod()], slot=False))
    assert (planned.actions, planned.slot) == ((), SlotRequest.USED)
    tally = status_of(planned).tally
    assert tally is not None
    assert tally.started == 1


def test_result_that_arrived_during_a_restart_is_read(build: Build) -> None:
    pod = build.ended_pod(message=build.imported().encode())
    planned = plan(build.observed(jobs=[build.complete_job()], pods=[pod]))
    assert status_of(planned).phase is Phase.READY
    assert [each.reason for each in status_of(planned).attempts] == [Reason.IMPORTED]


def test_the_end_of_an_attempt_is_written_before_the_next_one_starts(build: Build) -> None:
    observed = failing(build, started(build), 1)
    planned = plan(observed)
    assert planned.actions == ()
    assert status_of(planned).attempts[0].reason is Reason.SOURCE_UNAVAILABLE


# --- failures ---


def test_a_failed_attempt_is_followed_by_a_wait_without_a_slot(build: Build) -> None:
    planned = plan(failing(build, started(build), 1))
    assert (planned.slot, planned.requeue_at) == (SlotRequest.NONE, build.now + timedelta(seconds=5))
    status = status_of(planned)
    assert (status.phase, ready_reason(planned)) == (Phase.WAITING, "RetryScheduled")
    assert status.error is not None
    assert status.error.reason is Reason.SOURCE_UNAVAILABLE


def test_the_next_attempt_starts_when_its_time_has_come(build: Build) -> None:
    item = build.after(plan(failing(build, started(build), 1)))
    jobs = [build.failed_job(1)]
    early = plan(build.observed(item, jobs=jobs, now=build.now + timedelta(seconds=4)))
    assert (early.actions, early.slot) == ((), SlotRequest.NONE)
    due = plan(build.observed(item, jobs=jobs, now=build.now + timedelta(seconds=5)))
    assert due.actions == (CreateJob(attempt=2, more_memory=False),)


def test_status_of_a_waiting_import_says_for_what_and_until_when(build: Build) -> None:
    planned = plan(failing(build, started(build), 1, Reason.STORE_DENIED))
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    assert condition.message == (
        "attempt 1 failed (StoreDenied: It failed.); the next one starts at 12:00:05 UTC, and others follow until"
        " 2030-01-02 12:00 UTC"
    )


def test_jobs_of_attempts_that_are_shown_no_longer_are_deleted_at_once(build: Build) -> None:
    item = failed_often(build, Reason.STORE_UNAVAILABLE, times=7)
    planned = plan(build.observed(item, jobs=[build.failed_job(number) for number in range(1, 8)], pods=[]))
    deleted = {action.name for action in planned.actions if isinstance(action, DeleteJob)}
    assert deleted == {build.job(number)["metadata"]["name"] for number in (1, 2, 3)}


def test_a_failed_attempt_keeps_its_log_tail_until_the_next_one(build: Build) -> None:
    observed = failing(build, started(build), 1)
    first = plan(build.observed(started(build), jobs=[build.job()], pods=[
        build.ended_pod(exit_code=21, message=build.failure(Reason.STORE_UNAVAILABLE).encode())
    ], log_tail="error no route to host"))  # fmt: skip
    assert observed.log_tail is None
    assert status_of(first).attempts[0].log_tail == "error no route to host"
    second = plan(build.observed(build.after(first), jobs=[build.failed_job()], now=build.now + timedelta(seconds=5)))
    assert [each.log_tail for each in status_of(second).attempts] == [None, None]


def test_only_the_newest_five_attempts_are_shown_newest_first(build: Build) -> None:
    item = started(build, 7, limits={"attempts": 9})
    status = Status.model_validate(item["status"])
    assert [each.number for each in status.attempts] == [7, 6, 5, 4, 3]
    assert status.tally is not None
    assert (status.tally.started, status.tally.counted) == (7, 6)


# --- attempts that do not start ---


def waiting_pod(build: Build, **waiting: str) -> dict[str, Any]:
    pod = build.pod(phase="Pending", containerStatuses=[{"name": "importer", "state": {"waiting": waiting}}])
    return {"jobs": [build.job()], "pods": [pod]}


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [("ImagePullBackOff", "ImagePullFailed"), ("CreateContainerConfigError", "ContainerConfigInvalid")],
)
def test_pending_reason_is_shown_with_its_cause_after_the_grace(build: Build, waiting: str, reason: str) -> None:
    item, running = started(build), waiting_pod(build, reason=waiting, message="no such thing")
    early = plan(build.observed(item, **running, now=build.now + timedelta(seconds=29)))
    assert (early.status, early.requeue_at) == (None, build.now + timedelta(seconds=30)), "it shows Starting already"
    late = plan(build.observed(item, **running, now=build.now + timedelta(seconds=30)))
    assert ready_reason(late) == reason
    assert "no such thing" in str(status_of(late).to_wire())
    assert late.slot is SlotRequest.USED


def test_job_without_a_pod_shows_where_to_look(build: Build) -> None:
    planned = plan(build.observed(started(build), jobs=[build.job()], now=build.now + timedelta(seconds=31)))
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    assert condition.message == "attempt 1 has a Job, but no pod yet; kubectl describe job shows why"


def test_a_pod_that_is_refused_is_shown_with_its_cause_and_looked_at_again(build: Build) -> None:
    later = build.now + timedelta(seconds=31)
    observed = build.observed(started(build), jobs=[build.job()], now=later, pod_refusal="exceeded quota: pods=10")
    planned = plan(observed)
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    assert (condition.reason, condition.message) == ("PodRefused", "exceeded quota: pods=10")
    assert planned.requeue_at == later + timedelta(seconds=30)
    running = replace(observed, pods=(read_pod(build.running_pod()),))
    assert ready_reason(plan(running)) == "Importing"


@pytest.mark.parametrize(("ago_s", "shown"), [(0, False), (2, False), (3, True), (-60, True)])
def test_running_importer_is_shown_and_its_log_followed_after_three_seconds(
    build: Build,
    ago_s: int,
    shown: bool,  # noqa: FBT001 - what the parameters say
) -> None:
    """A node's clock that is ahead delays nothing."""
    running = build.running_pod(started_ago_s=ago_s)
    planned = plan(build.observed(started(build), jobs=[build.job()], pods=[running]))
    if shown:
        assert (ready_reason(planned), planned.follow) == ("Importing", "film-1-xyz")
    else:
        at = build.now + timedelta(seconds=3 - ago_s)
        assert (planned.status, planned.follow, planned.requeue_at) == (None, None, at)
        assert planned.slot is SlotRequest.USED


def test_running_importer_that_the_status_does_not_know_is_shown_at_once(build: Build) -> None:
    pods = [build.running_pod(started_ago_s=0)]
    planned = plan(build.observed(build.mediaimport(), jobs=[build.job()], pods=pods))
    assert ready_reason(planned) == "Importing"


def test_import_that_is_shown_importing_stays_so(build: Build) -> None:
    """A second pod of its Job, which was suspended and resumed, is not shown as starting."""
    pods = [build.running_pod(started_ago_s=0)]
    shown = build.after(plan(build.observed(started(build), jobs=[build.job()], pods=[build.running_pod()])))
    assert ready_reason(plan(build.observed(shown, jobs=[build.job()], pods=pods))) == "Importing"


def test_pod_of_a_starting_attempt_is_no_write_of_its_own(build: Build) -> None:
    planned = plan(build.observed(started(build), jobs=[build.job()], pods=[build.pod()]))
    assert planned.status is None


def test_new_generation_of_a_starting_attempt_is_acknowledged(build: Build) -> None:
    item = started(build)
    item["metadata"]["generation"] += 1
    planned = plan(build.observed(item, jobs=[build.job()], pods=[build.pod()]))
    assert ready_reason(planned) == "Starting"


def test_nobody_asks_for_a_pod_before_the_grace_or_while_kueue_holds_the_job(build: Build) -> None:
    later = build.now + timedelta(seconds=31)
    held = build.job() | {"spec": {"suspend": True}}
    assert build.observed(started(build), jobs=[build.job()], now=later).job_missing_pod is not None
    assert build.observed(started(build), jobs=[build.job()]).job_missing_pod is None
    assert build.observed(started(build), jobs=[held], now=later).job_missing_pod is None


def test_job_that_someone_has_suspended_is_shown_and_holds_no_slot(build: Build) -> None:
    planned = plan(build.observed(started(build), jobs=[build.job() | {"spec": {"suspend": True}}]))
    condition = status_of(planned).condition(ConditionType.READY)
    assert condition is not None
    assert "someone has suspended the Job" in condition.message
    assert planned.slot is SlotRequest.NONE


def test_an_unschedulable_pod_is_shown_after_the_grace(build: Build) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    pods = [build.pod(phase="Pending", conditions=[unscheduled])]
    planned = plan(build.observed(started(build), jobs=[build.job()], pods=pods, now=build.now + timedelta(seconds=31)))
    assert ready_reason(planned) == "Unschedulable"


def refusal(build: Build, reason: Reason, *, age_s: int) -> Refusal:
    since = build.now - timedelta(seconds=age_s)
    return Refusal(reason=reason, message="exceeded quota", since=since, retry_at=build.now + timedelta(seconds=4))


def test_a_refused_job_is_shown_after_the_grace_and_leaves_its_slot_to_others(build: Build) -> None:
    early = plan(build.observed(refusal=refusal(build, Reason.JOB_REFUSED, age_s=3)))
    assert (ready_reason(early), early.actions, early.slot) == ("Starting", (), SlotRequest.USED)
    late = plan(build.observed(refusal=refusal(build, Reason.JOB_REFUSED, age_s=30)))
    assert (ready_reason(late), late.requeue_at) == ("JobRefused", build.now + timedelta(seconds=4))
    assert late.slot is SlotRequest.NONE


def test_a_taken_name_is_shown_at_once_and_holds_no_slot(build: Build) -> None:
    planned = plan(build.observed(refusal=refusal(build, Reason.JOB_NAME_TAKEN, age_s=0)))
    assert (ready_reason(planned), planned.slot) == ("JobNameTaken", SlotRequest.NONE)


def test_refused_credentials_are_shown_at_once_and_hold_no_slot(build: Build) -> None:
    planned = plan(build.observed(refusal=refusal(build, Reason.CREDENTIALS_REFUSED, age_s=0)))
    assert (ready_reason(planned), planned.slot) == ("CredentialsRefused", SlotRequest.NONE)


def test_sts_that_is_away_is_shown_after_the_grace_and_keeps_the_slot(build: Build) -> None:
    early = plan(build.observed(refusal=refusal(build, Reason.CREDENTIALS_UNAVAILABLE, age_s=3)))
    assert (ready_reason(early), early.slot) == ("Starting", SlotRequest.USED)
    late = plan(build.observed(refusal=refusal(build, Reason.CREDENTIALS_UNAVAILABLE, age_s=30)))
    assert (ready_reason(late), late.slot) == ("CredentialsUnavailable", SlotRequest.USED)


def test_job_without_credentials_gets_them(build: Build) -> None:
    job = build.job()
    observed = build.observed(started(build), jobs=[job], settings=build.settings(session=build.session()))
    handed_out = HandOutCredentials(job["metadata"]["name"], job["metadata"]["uid"])
    assert plan(observed).actions == (handed_out,)
    assert plan(replace(observed, has_credentials=job["metadata"]["uid"])).actions == ()
    assert plan(replace(observed, has_credentials="an earlier attempt's Job")).actions == (handed_out,)
    assert plan(replace(observed, settings=build.settings())).actions == ()


def test_job_that_runs_ends_or_is_suspended_needs_no_credentials(build: Build) -> None:
    settings = build.settings(session=build.session())
    running = build.observed(started(build), jobs=[build.job()], pods=[build.running_pod()], settings=settings)
    assert plan(running).actions == ()
    held = build.job() | {"spec": {"suspend": True}}
    assert plan(build.observed(started(build), jobs=[held], settings=settings)).actions == ()


def test_a_refused_job_is_tried_again_in_its_time(build: Build) -> None:
    later = build.now + timedelta(seconds=4)
    planned = plan(build.observed(refusal=refusal(build, Reason.JOB_REFUSED, age_s=30), now=later))
    assert planned.actions == (CreateJob(attempt=1, more_memory=False),)


def test_field_of_a_newer_release_is_ignored_and_named(build: Build) -> None:
    item = build.mediaimport(later={"a": 1}, source={"alsoLater": 1})
    planned = plan(build.observed(item))
    assert planned.actions == (CreateJob(attempt=1, more_memory=False),)
    ready = status_of(planned).condition(ConditionType.READY)
    assert ready is not None
    assert "spec.later is ignored, since this release does not know it" in ready.message
    assert "spec.source.alsoLater is ignored" in ready.message


# --- changes by the author ---


def test_a_spec_that_cannot_be_met_fails_without_a_job(build: Build) -> None:
    item = build.mediaimport(metadata={"text": "x" * 9000})
    planned = plan(build.observed(item))
    assert (planned.actions, status_of(planned).phase, ready_reason(planned)) == ((), Phase.FAILED, "SpecInvalid")
    assert plan(build.observed(build.after(planned, metadata={"text": "x" * 9000}))).status is None


def test_message_of_an_invalid_spec_has_no_url(build: Build) -> None:
    planned = plan(build.observed(build.mediaimport(source={"url": "ftp://host/file?secret"})))
    error = status_of(planned).error
    assert error is not None
    assert error.message.startswith("spec.source.url:")
    assert "secret" not in error.message


def test_suspending_stops_the_running_job_and_counts_nothing(build: Build) -> None:
    item = build.mediaimport(suspend=True)
    item["status"] = started(build)["status"]
    planned = plan(build.observed(item, jobs=[build.job()], pods=[build.running_pod()]))
    assert planned.actions == (DeleteJob(build.job()["metadata"]["name"], build.job()["metadata"]["uid"]),)
    status = status_of(planned)
    assert (status.phase, planned.slot, planned.follow) == (Phase.SUSPENDED, SlotRequest.NONE, None)
    assert status.tally is not None
    assert (status.tally.started, status.tally.counted, status.tally.disrupted) == (1, 0, 0)


def test_resumed_import_continues_with_its_next_attempt(build: Build) -> None:
    item = build.mediaimport(suspend=True)
    item["status"] = started(build)["status"]
    stopped = plan(build.observed(item, jobs=[build.job()], pods=[build.running_pod()]))
    assert plan(build.observed(build.after(stopped))).actions == (CreateJob(attempt=2, more_memory=False),)


def test_a_suspended_import_that_ends_well_at_that_moment_is_ready(build: Build) -> None:
    item = build.mediaimport(suspend=True)
    item["status"] = started(build)["status"]
    assert status_of(imported(build, item)).phase is Phase.READY


def test_a_new_run_starts_anew(build: Build) -> None:
    item = build.after(imported(build, started(build)), run="again", meta={"generation": 2})
    planned = plan(build.observed(item, jobs=[build.complete_job()]))
    assert planned.actions == (CreateJob(attempt=1, more_memory=False),)
    status = status_of(planned)
    assert (status.run, status.completed_at, len(status.attempts)) == ("again", None, 1)
    assert status.asset is not None, "what is stored stays stored"


def stopping(build: Build, ago_s: int = 0) -> Object:
    """The pod of attempt 1, which has been told to stop."""
    grace = {"deletionTimestamp": (build.now - timedelta(seconds=ago_s)).isoformat()}
    return build.running_pod() | {"metadata": build.running_pod()["metadata"] | grace}


def test_a_new_run_removes_the_job_that_still_runs_for_the_old_one(build: Build) -> None:
    item = build.after(plan(build.observed()), run="again")
    planned = plan(build.observed(item, jobs=[build.job()], pods=[build.running_pod()]))
    old = build.job()["metadata"]
    assert planned.actions == (DeleteJob(old["name"], old["uid"]),)
    assert planned.requeue_at == build.now + timedelta(seconds=2)
    assert (status_of(planned).phase, planned.slot) == (Phase.PENDING, SlotRequest.USED)
    without_pod = plan(build.observed(item, jobs=[build.job()]))
    assert without_pod.actions == planned.actions, "a pod of it may come"


def test_a_new_run_starts_once_the_importer_of_the_old_one_has_stopped(build: Build) -> None:
    item = build.after(plan(build.observed()), run="again")
    assert plan(build.observed(item, pods=[stopping(build)])).actions == ()
    create = (CreateJob(attempt=1, more_memory=False),)
    assert plan(build.observed(item, pods=[build.ended_pod(exit_code=143)])).actions == create
    assert plan(build.observed(item, deleted_pods=[build.ended_pod(exit_code=143)])).actions == create
    assert plan(build.observed(item, pods=[stopping(build, ago_s=61)])).actions == create, "its node is lost"


def test_resumed_import_waits_until_the_importer_that_was_stopped_has_ended(build: Build) -> None:
    item = build.mediaimport(suspend=True)
    item["status"] = started(build)["status"]
    resumed = build.after(plan(build.observed(item, jobs=[build.job()], pods=[build.running_pod()])))
    waiting = plan(build.observed(resumed, pods=[stopping(build)], slot=False))
    assert (waiting.actions, waiting.slot) == ((), SlotRequest.NONE)
    assert plan(build.observed(resumed, pods=[])).actions == (CreateJob(attempt=2, more_memory=False),)


def test_next_attempt_waits_until_the_pod_of_a_deleted_job_has_stopped(build: Build) -> None:
    item = started(build)
    running = plan(build.observed(item, pods=[stopping(build)]))
    assert (status_of(running).phase, running.slot, running.actions) == (Phase.IMPORTING, SlotRequest.USED, ())
    assert running.requeue_at == build.now + timedelta(seconds=61)
    ended = plan(build.observed(item, pods=[build.ended_pod(exit_code=143)]))
    assert status_of(ended).attempts[0].reason is Reason.DISRUPTED


def importing(build: Build) -> Object:
    """The resource while attempt 1 runs."""
    return build.after(plan(build.observed(started(build), jobs=[build.job()], pods=[build.running_pod()])))


def test_next_attempt_waits_as_for_a_lost_node_if_the_pod_was_deleted_by_force(build: Build) -> None:
    ended = plan(build.observed(importing(build), jobs=[build.failed_job(ago_s=10)]))
    assert status_of(ended).attempts[0].reason is Reason.DISRUPTED
    assert status_of(ended).next_attempt_at == ended.requeue_at == build.now + timedelta(seconds=80)


def test_new_run_waits_as_long_if_the_pod_of_the_old_one_was_deleted_by_force(build: Build) -> None:
    item = build.after(plan(build.observed(importing(build), jobs=[build.failed_job()])), run="again")
    early = plan(build.observed(item, jobs=[build.failed_job()], now=build.now + timedelta(seconds=89)))
    assert (early.actions, early.status) == ((), None), "the status of the old run tells when its importer stops"
    late = plan(build.observed(item, jobs=[build.failed_job()], now=build.now + timedelta(seconds=90)))
    assert late.actions == (CreateJob(attempt=1, more_memory=False),)


def test_no_job_is_created_while_a_pod_runs_whose_job_nobody_knows(build: Build) -> None:
    for item in (build.mediaimport(), build.after(plan(build.observed()), run="again")):
        orphans = (read_pod(build.running_pod()), read_pod(stopping(build, ago_s=61)))
        waiting = plan(build.observed(item, orphaned_pods=orphans))
        assert waiting.actions == ()
        condition = status_of(waiting).condition(ConditionType.READY)
        assert condition is not None
        assert condition.message == "waits until the importer before it (pod film-1-xyz) has stopped"
        create = plan(build.observed(item, orphaned_pods=orphans[1:]))
        assert create.actions == (CreateJob(attempt=1, more_memory=False),), "its node is lost"


def test_a_finished_import_is_removed_when_its_time_to_live_ends(build: Build) -> None:
    item = build.after(imported(build, started(build)), ttlSecondsAfterFinished=7200)
    before = plan(build.observed(item))
    assert (before.actions, before.requeue_at) == ((), build.now + timedelta(seconds=7200))
    assert plan(build.observed(item, now=build.now + timedelta(seconds=7200))).actions == (DeleteResource(),)


def test_change_that_asks_for_nothing_is_acknowledged(build: Build) -> None:
    item = build.after(imported(build, started(build)), meta={"generation": 2})
    status = status_of(plan(build.observed(item)))
    assert status.observed_generation == 2
    assert {each.observed_generation for each in status.conditions} == {2}
    assert status.phase is Phase.READY


def test_nothing_starts_for_a_resource_that_is_being_deleted(build: Build) -> None:
    item = build.mediaimport(meta={"deletionTimestamp": "2030-01-01T12:00:00Z"})
    planned = plan(build.observed(item))
    assert (planned.status, planned.actions, planned.slot) == (None, (), SlotRequest.NONE)


# --- old Jobs ---


def test_a_finished_job_is_removed_only_when_its_end_is_in_the_status(build: Build) -> None:
    old = build.complete_job(ago_s=10_000)
    pod = build.ended_pod(message=build.imported().encode())
    unwritten = plan(build.observed(started(build), jobs=[old], pods=[pod]))
    assert unwritten.actions == ()
    written = plan(build.observed(build.after(unwritten), jobs=[old]))
    assert written.actions == (DeleteJob(old["metadata"]["name"], old["metadata"]["uid"]),)


def test_jobs_are_kept_for_a_while_failed_ones_longer(build: Build) -> None:
    done = build.after(imported(build, started(build)))
    young = plan(build.observed(done, jobs=[build.complete_job(ago_s=100)]))
    assert (young.actions, young.requeue_at) == ((), build.now + timedelta(seconds=200))
    failed = build.after(plan(failing(build, started(build), 1, Reason.NOT_MEDIA)))
    kept = plan(build.observed(failed, jobs=[build.failed_job(ago_s=100)]))
    assert (kept.actions, kept.requeue_at) == ((), build.now + timedelta(seconds=86300))


def test_job_whose_pod_is_on_a_lost_node_is_deleted_once_recorded(build: Build) -> None:
    meta = {"deletionTimestamp": "2030-01-01T11:58:30Z"}
    hanging = build.running_pod() | {"metadata": build.running_pod()["metadata"] | meta}
    item = started(build)
    planned = plan(build.observed(item, jobs=[build.job()], pods=[hanging]))
    assert status_of(planned).attempts[0].reason is Reason.DISRUPTED
    following = plan(build.observed(build.after(planned), jobs=[build.job()], pods=[hanging]))
    assert [type(each) for each in following.actions] == [DeleteJob]


@pytest.mark.parametrize("exit_code", [0, 21])
def test_job_that_an_injected_sidecar_keeps_is_deleted_a_minute_after_its_importers_end(
    build: Build, exit_code: int
) -> None:
    result = build.failure(Reason.STORE_UNAVAILABLE) if exit_code else build.imported()
    pod, job = build.ended_pod(exit_code=exit_code, message=result.encode()), build.job()
    recorded = build.after(plan(build.observed(started(build), jobs=[job], pods=[pod])))
    recorded["status"].pop("nextAttemptAt", None)
    recorded["spec"]["suspend"] = True
    at = build.now + timedelta(seconds=59)
    before = plan(build.observed(recorded, jobs=[job], pods=[pod]))
    assert (before.actions, before.requeue_at) == ((), at)
    after = plan(build.observed(recorded, jobs=[job], pods=[pod], now=at))
    assert after.actions == (DeleteJob(job["metadata"]["name"], job["metadata"]["uid"]),)


def test_next_attempt_does_not_wait_for_an_injected_sidecar(build: Build) -> None:
    result = build.failure(Reason.STORE_UNAVAILABLE).encode()
    pods = [build.ended_pod(exit_code=21, message=result)]
    item = build.after(plan(build.observed(started(build), jobs=[build.job()], pods=pods)))
    due = plan(build.observed(item, jobs=[build.job()], pods=pods, now=build.now + timedelta(seconds=5)))
    assert due.actions == (CreateJob(attempt=2, more_memory=False),)


def test_job_that_someone_has_deleted_is_replaced(build: Build) -> None:
    planned = plan(build.observed(started(build)))
    assert (status_of(planned).attempts[0].reason, ready_reason(planned)) == (Reason.DISRUPTED, "RetryScheduled")


def test_job_waits_for_credentials_that_are_refused(build: Build) -> None:
    retry_at = build.now + timedelta(seconds=9)
    refusal = Refusal(Reason.CREDENTIALS_REFUSED, "no such role", since=build.now, retry_at=retry_at)
    settings = build.settings(session=build.session())
    planned = plan(build.observed(started(build), settings=settings, jobs=[build.job()], refusal=refusal))
    assert (planned.actions, planned.requeue_at, ready_reason(planned)) == ((), retry_at, "CredentialsRefused")


def test_pod_that_starts_slowly_without_a_reason_is_shown_as_starting(build: Build) -> None:
    planned = plan(
        build.observed(
            started(build), jobs=[build.job()], pods=[build.pod(phase="Pending")], now=build.now + timedelta(seconds=31)
        )
    )
    assert (status_of(planned).phase, ready_reason(planned)) == (Phase.PENDING, "Starting")


def test_wait_of_which_no_attempt_is_recorded_has_no_error(build: Build) -> None:
    item = build.mediaimport()
    item["status"] = {"run": "", "nextAttemptAt": "2030-01-01T12:01:00Z"}
    planned = plan(build.observed(item))
    assert (status_of(planned).phase, status_of(planned).error) == (Phase.WAITING, None)


def test_spec_that_is_not_valid_is_never_read(build: Build) -> None:
    with pytest.raises(ValueError, match="the spec of film is not valid"):
        _ = build.observed(build.mediaimport(userId="Not A Name")).spec


def test_result_without_media_makes_nothing_ready(build: Build) -> None:
    builder = StatusBuilder(build.observed(), build.observed().history)
    with pytest.raises(ValueError, match="only a result with asset"):
        builder.ready(build.failure(Reason.NOT_MEDIA))
