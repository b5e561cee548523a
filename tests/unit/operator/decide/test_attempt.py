from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_operator.decide.attempt import Ended, PendingReason, Running, attempt_state
from mediaimport_operator.observe.job import ResultValidator, read_job, read_pod

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

DRAINED = [{"type": "DisruptionTarget", "status": "True", "message": "drained"}]


def read(
    build: Build,
    *,
    of: Object | None,
    pods: list[Object] | None = None,
    deleted: bool = False,
    shown: PendingReason | None = None,
) -> Running | Ended:
    return attempt_state(
        job=read_job(of) if of else None,
        pods=[read_pod(each, deleted=deleted) for each in pods or []],
        validator=ResultValidator(bucket="bucket", user_id="ada", asset_id=build.uid),
        now=build.now,
        shown=shown,
    )


def reason(state: Running | Ended) -> Reason | None:
    return state.reason if isinstance(state, Ended) else None


def test_a_job_without_a_pod_runs(build: Build) -> None:
    assert read(build, of=build.job()) == Running()


def test_a_terminated_importer_decides_though_pod_and_job_still_run(build: Build) -> None:
    state = read(build, of=build.job(), pods=[build.ended_pod(message=build.imported().encode())])
    assert reason(state) is Reason.IMPORTED


def test_a_good_result_counts_though_a_child_was_killed_for_memory(build: Build) -> None:
    ended = build.ended_pod(message=build.imported().encode(), reason="OOMKilled")
    assert reason(read(build, of=build.job(), pods=[ended])) is Reason.IMPORTED


def test_a_good_result_counts_though_the_pod_is_being_disrupted(build: Build) -> None:
    ended = build.ended_pod(message=build.imported().encode(), conditions=DRAINED)
    assert reason(read(build, of=build.job(), pods=[ended])) is Reason.IMPORTED


def test_a_result_counts_though_job_and_pod_are_deleted(build: Build) -> None:
    ended = build.ended_pod(message=build.imported().encode())
    assert reason(read(build, of=None, pods=[ended], deleted=True)) is Reason.IMPORTED


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"exit_code": 137, "reason": "OOMKilled"}, Reason.OUT_OF_MEMORY),
        ({"exit_code": 137, "pod_reason": "Evicted"}, Reason.SCRATCH_EXCEEDED),
        ({"exit_code": 137, "pod_reason": "Evicted", "conditions": DRAINED}, Reason.DISRUPTED),
        ({"exit_code": 143, "conditions": DRAINED}, Reason.DISRUPTED),
        ({"exit_code": 30, "conditions": DRAINED}, Reason.DISRUPTED),
        ({"exit_code": 137, "meta": {"deletionTimestamp": "2030-01-01T12:00:00Z"}}, Reason.DISRUPTED),
        ({"exit_code": 137}, Reason.UNEXPECTED),
        ({"exit_code": 30}, Reason.INTERRUPTED),
        ({"exit_code": 1}, Reason.UNEXPECTED),
        ({"exit_code": 128, "reason": "StartError"}, Reason.CONTAINER_CONFIG_INVALID),
        ({"exit_code": 10}, Reason.SPEC_INVALID),
        ({"exit_code": 15}, Reason.SCRATCH_EXCEEDED),
        ({"exit_code": 21}, Reason.STORE_UNAVAILABLE),
        ({"exit_code": 11}, Reason.UNEXPECTED),
        ({"exit_code": 0}, Reason.RESULT_LOST),
        ({"exit_code": 0, "message": "not json"}, Reason.RESULT_LOST),
    ],
    ids=str,
)
def test_an_end_without_a_result_is_named_by_pod_then_exit_code(
    build: Build, end: dict[str, Any], expected: Reason
) -> None:
    given = {name: value for name, value in end.items() if name != "pod_reason"}
    ended = build.ended_pod(**given)
    if "pod_reason" in end:
        ended["status"] |= {"reason": end["pod_reason"], "phase": "Failed"}
    assert reason(read(build, of=build.failed_job(), pods=[ended])) is expected


@pytest.mark.parametrize("counted", [each for each in Reason if (each.facts.exit_code or 0) >= 10])
def test_every_reason_in_a_result_counts_with_its_exit_code(build: Build, counted: Reason) -> None:
    code = counted.facts.exit_code
    assert code is not None
    message = build.failure(counted, "What happened.").encode()
    state = read(build, of=build.failed_job(), pods=[build.ended_pod(exit_code=code, message=message)])
    assert isinstance(state, Ended)
    assert (state.reason, state.message, state.exit_code) == (counted, "What happened.", code)


@pytest.mark.parametrize("exit_code", [30, 137, 143])
def test_stopped_importer_counts_as_running_until_the_job_has_ended(build: Build, exit_code: int) -> None:
    ended = [build.ended_pod(exit_code=exit_code)]
    assert isinstance(read(build, of=build.job(), pods=ended), Running)
    overdue = read(build, of=build.failed_job(reason="DeadlineExceeded"), pods=ended)
    assert reason(overdue) is Reason.DEADLINE_EXCEEDED


def test_deadline_is_known_before_the_job_has_failed(build: Build) -> None:
    target = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    state = read(build, of=build.job(conditions=[target]), pods=[build.ended_pod(exit_code=143)])
    assert reason(state) is Reason.DEADLINE_EXCEEDED


def test_deadline_is_known_without_a_pod(build: Build) -> None:
    state = read(build, of=build.failed_job(reason="DeadlineExceeded"))
    assert reason(state) is Reason.DEADLINE_EXCEEDED


def test_a_complete_job_without_its_pod_has_lost_its_result(build: Build) -> None:
    state = read(build, of=build.complete_job())
    assert isinstance(state, Ended)
    assert (state.reason, state.confirmed) == (Reason.RESULT_LOST, False)


def test_a_failed_job_without_its_pod_was_disrupted(build: Build) -> None:
    state = read(build, of=build.failed_job())
    assert isinstance(state, Ended)
    assert (state.reason, state.confirmed) == (Reason.DISRUPTED, False)


def test_pod_that_the_kubelet_rejects_is_a_disruption(build: Build) -> None:
    state = read(build, of=build.job(), pods=[build.pod(phase="Failed", reason="OutOfcpu", message="no room")])
    assert isinstance(state, Ended)
    assert (state.reason, state.message) == (Reason.DISRUPTED, "no room")


def test_terminating_pod_counts_as_lost_a_minute_past_its_grace(build: Build) -> None:
    def terminating(ago_s: int) -> Object:
        item = build.running_pod()
        moment = build.now - timedelta(seconds=ago_s)
        item["metadata"]["deletionTimestamp"] = moment.isoformat()
        return item

    assert isinstance(read(build, of=build.job(), pods=[terminating(60)]), Running)
    assert reason(read(build, of=build.job(), pods=[terminating(61)])) is Reason.DISRUPTED


def terminating(build: Build, pod: Object, *, ends_in_s: int = 30) -> Object:
    ends_at = (build.now + timedelta(seconds=ends_in_s)).isoformat()
    return pod | {"metadata": pod["metadata"] | {"deletionTimestamp": ends_at}}


OVER = ["deleted", "deleting", "failing", "failed", "overdue"]


def job_that_is_over(build: Build, how: str) -> Object | None:
    target = {"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"}
    jobs = {
        "deleting": build.job(meta={"deletionTimestamp": "2030-01-01T12:00:00Z"}),
        "failing": build.job(conditions=[target]),
        "failed": build.failed_job(),
        "overdue": build.job(conditions=[target | {"reason": "DeadlineExceeded"}]),
    }
    return jobs.get(how)


@pytest.mark.parametrize("how", OVER)
def test_attempt_runs_until_its_pod_has_stopped_though_its_job_is_over(build: Build, how: str) -> None:
    job = job_that_is_over(build, how)
    assert isinstance(read(build, of=job, pods=[build.running_pod()]), Running), "its pod is not told to stop yet"
    state = read(build, of=job, pods=[terminating(build, build.running_pod())])
    assert isinstance(state, Running)
    assert state.recheck_at == build.now + timedelta(seconds=91), "then its node is lost"


@pytest.mark.parametrize("how", OVER)
def test_result_that_is_written_in_the_grace_counts(build: Build, how: str) -> None:
    pod = terminating(build, build.ended_pod(message=build.imported().encode()))
    assert reason(read(build, of=job_that_is_over(build, how), pods=[pod])) is Reason.IMPORTED


@pytest.mark.parametrize("how", OVER)
def test_attempt_ends_though_its_pod_stays_on_a_lost_node(build: Build, how: str) -> None:
    pods = [terminating(build, build.running_pod(), ends_in_s=-61)]
    expected = Reason.DEADLINE_EXCEEDED if how == "overdue" else Reason.DISRUPTED
    assert reason(read(build, of=job_that_is_over(build, how), pods=pods)) is expected


def test_pod_that_cannot_start_does_not_delay_the_end_and_names_its_cause(build: Build) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = build.pod(phase="Pending", containerStatuses=[{"name": "importer", "state": waiting}])
    state = read(build, of=job_that_is_over(build, "overdue"), pods=[terminating(build, pod)])
    assert isinstance(state, Ended)
    assert state.message.endswith("its pod never ran: ImagePullBackOff: no such image")
    assert state.reason is Reason.IMAGE_PULL_FAILED


SHOWN = PendingReason(Reason.UNSCHEDULABLE, "0/3 nodes are available")


def test_deadline_of_a_pod_that_never_ran_ends_with_what_the_status_shows_of_it(build: Build) -> None:
    state = read(build, of=job_that_is_over(build, "overdue"), shown=SHOWN)
    assert isinstance(state, Ended)
    assert (state.reason, state.confirmed, state.importer_stopped) == (Reason.UNSCHEDULABLE, False, True)
    assert state.message == "the attempt took longer than its deadline; its pod never ran: 0/3 nodes are available"


def test_deadline_of_an_importer_that_runs_is_its_own_whatever_the_status_shows(build: Build) -> None:
    pods = [terminating(build, build.running_pod(), ends_in_s=-61)]
    assert (
        reason(read(build, of=job_that_is_over(build, "overdue"), pods=pods, shown=SHOWN)) is Reason.DEADLINE_EXCEEDED
    )


def test_end_that_the_kubelet_reports_of_a_container_that_never_ran_is_no_deadline_of_the_importer(
    build: Build,
) -> None:
    pod = build.ended_pod(exit_code=137, reason="ContainerStatusUnknown")
    pod["status"]["containerStatuses"][0]["state"]["terminated"] |= {"startedAt": None, "finishedAt": None}
    overdue = job_that_is_over(build, "overdue")
    assert reason(read(build, of=overdue, pods=[pod], shown=SHOWN)) is Reason.UNSCHEDULABLE
    assert reason(read(build, of=overdue, pods=[pod])) is Reason.DEADLINE_EXCEEDED


def stop_seen(state: Running | Ended) -> bool:
    assert isinstance(state, Ended)
    return state.importer_stopped


@pytest.mark.parametrize("how", OVER)
def test_end_of_an_importer_whose_pod_is_gone_is_not_seen_unless_it_never_ran(build: Build, how: str) -> None:
    job = job_that_is_over(build, how)
    assert not stop_seen(read(build, of=job))
    assert stop_seen(read(build, of=job, shown=SHOWN))
    assert stop_seen(read(build, of=job, pods=[terminating(build, build.running_pod(), ends_in_s=-61)]))


def test_end_of_a_pod_that_others_than_the_kubelet_call_failed_is_not_seen(build: Build) -> None:
    gone = build.running_pod()
    gone["status"] |= {"phase": "Failed", "conditions": DRAINED}
    assert not stop_seen(read(build, of=build.job(), pods=[gone]))
    gone["status"] |= {"reason": "Evicted"}
    assert stop_seen(read(build, of=build.job(), pods=[gone]))
    assert stop_seen(read(build, of=build.job(), pods=[build.pod(phase="Failed", reason="OutOfcpu")]))


@pytest.mark.parametrize(
    ("exit_code", "expected"), [(30, Reason.INTERRUPTED), (137, Reason.UNEXPECTED), (143, Reason.UNEXPECTED)]
)
def test_end_of_a_stopped_importer_is_read_though_a_sidecar_keeps_the_job(
    build: Build, exit_code: int, expected: Reason
) -> None:
    pod = build.ended_pod(exit_code=exit_code)
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    ended["finishedAt"] = (build.now - timedelta(seconds=29)).isoformat()
    state = read(build, of=build.job(), pods=[pod])
    assert isinstance(state, Running)
    assert state.recheck_at == build.now + timedelta(seconds=1)
    ended["finishedAt"] = (build.now - timedelta(seconds=30)).isoformat()
    assert reason(read(build, of=build.job(), pods=[pod])) is expected


def test_messages_contain_no_query_no_credentials_no_control_characters(build: Build) -> None:
    hostile = build.failure(Reason.NOT_MEDIA, "see https://u:p@h.example/x?token=1 \x1b[31m\u202e red").encode()
    state = read(build, of=build.job(), pods=[build.ended_pod(exit_code=12, message=hostile)])
    assert isinstance(state, Ended)
    assert state.message == "see https://h.example/x  [31m  red"
