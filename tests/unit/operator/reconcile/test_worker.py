"""Whole reconciles over an API server in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import STORED_OBJECTS_FINALIZER
from mediaimport_api.reasons import Reason
from mediaimport_api.task import Task
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.reconcile.worker import Reconciler
from mediaimport_operator.run.resync import Resync
from mediaimport_operator.settings.operator import Caps
from mediaimport_runtime.kubernetes.errors import ConflictError, RefusedError, UnavailableError

from tests.support.operator_fakes import as_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_operator.reconcile.sts import Sts
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build, FakeCluster

pytestmark = pytest.mark.anyio


@dataclass
class Operator:
    """An operator without watches: its caches are fed by resyncs and by its own writes."""

    build: Build
    cluster: FakeCluster
    now: datetime
    cap: int = 10
    sts: Sts | None = None
    """With it, every Job gets credentials of its own."""
    kueue: bool = False

    def __post_init__(self) -> None:
        session = None if self.sts is None else self.build.session()
        settings = self.build.settings(namespaces=("media",), caps=Caps(self.cap), session=session, kueue=self.kueue)
        self.context = Context.create(
            settings, as_cluster(self.cluster), clock=lambda: self.now, sts=self.sts, debounce_s=0
        )
        self.queue, self.cache = self.context.queue, self.context.cache
        self.slots, self.metrics = self.context.slots, self.context.metrics
        self.reconciler = Reconciler(self.context)
        self.resync = Resync(self.context)

    async def settle(self) -> None:
        """Reconcile until the queue is empty."""
        while len(self.queue):
            key = await self.queue.get()
            assert key is not None
            requeue_at = await self.reconciler.reconcile(key)
            self.queue.done(key)
            if requeue_at is not None and requeue_at <= self.now:
                self.queue.add(key)

    @property
    def status(self) -> Object:
        status: Object = self.cluster.objects["imports"]["film"]["status"]
        return status


@pytest.fixture
async def operator(build: Build, cluster: FakeCluster) -> AsyncIterator[Operator]:
    operator = Operator(build, cluster, build.now)
    yield operator
    await operator.context.followers.close()


async def begin(operator: Operator, **spec: object) -> None:
    given: dict[str, Any] = dict(spec)
    operator.cluster.put("imports", operator.build.mediaimport(**given))
    await operator.resync.first()
    await operator.settle()


def job_name(operator: Operator, attempt: int = 1) -> str:
    name: str = operator.build.job(attempt)["metadata"]["name"]
    return name


async def test_job_is_created_before_the_status_records_it(operator: Operator) -> None:
    await begin(operator)
    assert operator.cluster.writes == [f"create {job_name(operator)}", "status Pending"]
    assert operator.cluster.events == [], "the Events of Job and pod show that they start"


async def test_job_that_exists_and_has_ended_is_read_at_once(operator: Operator) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.resync.first()
    ended = operator.build.ended_pod(message=operator.build.imported().encode())
    operator.cluster.put("pods", ended)
    begun = import_job.job(resource.read(operator.build.mediaimport()), operator.context.settings, attempt=1)
    existing = operator.build.complete_job()
    operator.cluster.put("jobs", existing | {"metadata": begun["metadata"] | existing["metadata"]})
    operator.cluster.objects["jobs"][job_name(operator)]["metadata"]["labels"] |= begun["metadata"]["labels"]
    await operator.settle()
    assert operator.status["phase"] == "Ready"


async def test_second_reconcile_writes_nothing(operator: Operator) -> None:
    await begin(operator)
    before = list(operator.cluster.writes)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.writes == before


async def test_short_import_is_written_twice_and_its_log_is_not_read(operator: Operator) -> None:
    await begin(operator)
    for pod in (operator.build.pod(), operator.build.running_pod(started_ago_s=1)):
        operator.cache.pods.update(operator.cluster.put("pods", pod))
        operator.queue.add(operator.build.uid)
        await operator.settle()
    assert operator.context.followers.progress(operator.build.uid) is None
    assert operator.context.followers._followers == {}
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    assert operator.cluster.writes == [f"create {job_name(operator)}", "status Pending", "status Ready"]
    assert [each["reason"] for each in operator.cluster.events] == ["Imported"]
    assert operator.status["attempts"][0]["podName"] == "film-1-xyz"


async def test_import_becomes_ready(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    assert operator.status["phase"] == "Ready"
    assert operator.slots.in_flight == 0


async def test_new_operator_continues_after_the_last_one_was_killed(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["imports"]["film"]["status"] = {}
    successor = Operator(operator.build, operator.cluster, operator.now)
    await successor.resync.first()
    assert successor.slots.in_flight == 1, "the running Job holds its slot before anyone else is served"
    await successor.settle()
    assert [each for each in operator.cluster.writes if each.startswith("create")] == [f"create {job_name(operator)}"]
    assert successor.status["tally"]["started"] == 1


async def test_existing_job_of_ours_is_adopted(operator: Operator) -> None:
    await begin(operator)
    successor = Operator(operator.build, operator.cluster, operator.now)
    successor.cache.imports.update(operator.build.mediaimport(meta={"resourceVersion": str(operator.cluster.version)}))
    successor.queue.add(operator.build.uid)
    await successor.settle()
    assert [each for each in operator.cluster.writes if each.startswith("create")] == [f"create {job_name(operator)}"]
    assert successor.cache.jobs.of_import(operator.build.uid) != []


async def test_a_foreign_job_of_that_name_is_left_alone(operator: Operator) -> None:
    foreign = operator.build.job(meta={"ownerReferences": []})
    foreign["metadata"]["labels"] = {}
    operator.cluster.put("jobs", foreign)
    await begin(operator)
    assert operator.status["conditions"][0]["reason"] == "JobNameTaken"
    assert operator.slots.in_flight == 0
    del operator.cluster.objects["jobs"][foreign["metadata"]["name"]]
    operator.now += timedelta(seconds=31)
    operator.cache.jobs = type(operator.cache.jobs)()
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["conditions"][0]["reason"] == "Starting"


async def test_refused_job_shows_its_cause_and_is_created_later(operator: Operator) -> None:
    operator.cluster.refusing = RefusedError("403: exceeded quota")
    await begin(operator)
    operator.now += timedelta(seconds=31)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert (
        operator.status["conditions"][0] | {"reason": "JobRefused", "message": "403: exceeded quota"}
        == (operator.status["conditions"][0])
    )
    operator.cluster.refusing = None
    operator.now += timedelta(seconds=120)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert job_name(operator) in operator.cluster.objects["jobs"]


async def test_refused_pod_shows_the_job_controllers_newest_message(operator: Operator) -> None:
    await begin(operator)
    owner = {"uid": f"uid-{job_name(operator)}"}
    operator.cluster.job_events = [
        {"involvedObject": owner, "lastTimestamp": "2030-01-01T12:00:20Z", "message": "exceeded quota: pods=2"},
        {"involvedObject": owner, "lastTimestamp": "2030-01-01T12:00:05Z", "message": "exceeded quota: pods=1"},
    ]
    operator.now += timedelta(seconds=31)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["conditions"][0]["reason"] == "PodRefused"
    assert operator.status["conditions"][0]["message"] == "exceeded quota: pods=2"
    assert operator.slots.in_flight == 1


async def test_absence_in_the_caches_is_confirmed_before_it_counts(operator: Operator) -> None:
    await begin(operator)
    operator.cache.jobs = type(operator.cache.jobs)()
    operator.cluster.put("pods", operator.build.running_pod())
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["phase"] == "Importing", "the Job was there, only not in the cache"


async def test_deleted_job_is_replaced(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["jobs"].clear()
    await operator.resync.once()
    await operator.settle()
    assert operator.status["attempts"][0]["reason"] == "Disrupted"
    operator.now += timedelta(seconds=6)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert list(operator.cluster.objects["jobs"]) == [job_name(operator, 2)]


async def test_job_that_has_lost_its_labels_is_found_by_its_name(operator: Operator) -> None:
    await begin(operator)
    (job,) = operator.cluster.objects["jobs"].values()
    del job["metadata"]["labels"]
    # A watch reports a Job that leaves its selector as deleted.
    known = operator.cache.jobs.get(job["metadata"]["uid"])
    assert known is not None
    operator.cache.jobs.remove(known)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert list(operator.cluster.objects["jobs"]) == [job_name(operator)]
    assert operator.status["phase"] == "Pending"
    assert [each["metadata"]["name"] for each in operator.cache.jobs.of_import(operator.build.uid)] == [
        job_name(operator)
    ]


async def test_pod_of_a_deleted_job_is_waited_for_and_its_result_counts(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["jobs"].clear()
    operator.cluster.put("pods", operator.build.running_pod())
    await operator.resync.once()
    await operator.settle()
    assert operator.status["phase"] == "Importing"
    operator.now += timedelta(seconds=10)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.objects["jobs"] == {}, "no second importer"
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    assert operator.status["phase"] == "Ready"


async def test_running_job_that_has_lost_its_labels_is_found_by_its_name(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.put("pods", operator.build.running_pod())
    await operator.resync.once()
    (job,) = operator.cache.jobs.of_import(operator.build.uid)
    operator.cache.jobs.remove(job)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert len(operator.cache.jobs.of_import(operator.build.uid)) == 1


async def test_result_of_a_deleted_pod_counts(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["jobs"].clear()
    await operator.resync.once()
    operator.cache.remove_pod(operator.build.ended_pod(message=operator.build.imported().encode()))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["phase"] == "Ready"
    assert operator.cache.deleted_pods == {}


@pytest.mark.parametrize("owners", [[], [{"uid": "another", "controller": True}]], ids=["nobody's", "another's"])
async def test_pod_that_only_has_our_labels_decides_nothing(operator: Operator, owners: list[Object]) -> None:
    await begin(operator)
    pod = operator.build.ended_pod(
        message=operator.build.imported().encode(), meta={"name": "foreign", "ownerReferences": owners}
    )
    operator.cluster.put("pods", pod)
    await operator.resync.once()
    await operator.settle()
    assert operator.status["phase"] == "Pending"
    operator.cache.remove_pod(pod)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["phase"] == "Pending"


async def importing(operator: Operator) -> Object:
    """The pod of an import whose attempt runs."""
    await begin(operator)
    pod = operator.cluster.put("pods", operator.build.running_pod())
    await operator.resync.once()
    await operator.settle()
    assert operator.status["phase"] == "Importing"
    return pod


async def test_operator_that_restarts_waits_for_the_pod_of_a_job_that_was_deleted_meanwhile(
    operator: Operator,
) -> None:
    await importing(operator)
    operator.cluster.objects["jobs"].clear()
    grace_ends_at = operator.now + timedelta(minutes=5)
    pod = operator.build.running_pod()
    pod["metadata"]["deletionTimestamp"] = grace_ends_at.isoformat()
    operator.cluster.put("pods", pod)
    successor = Operator(operator.build, operator.cluster, operator.now)
    await successor.resync.first()
    await successor.settle()
    assert successor.status["attempts"][0]["reason"] == "Disrupted"
    successor.now = grace_ends_at
    successor.queue.add(operator.build.uid)
    await successor.settle()
    assert operator.cluster.objects["jobs"] == {}, "two importers of one import"
    assert "film-1-xyz" in successor.status["conditions"][0]["message"]
    successor.cache.remove_pod(operator.cluster.objects["pods"].pop("film-1-xyz"))
    successor.queue.add(operator.build.uid)
    await successor.settle()
    assert list(operator.cluster.objects["jobs"]) == [job_name(operator, 2)]


async def test_pod_that_is_deleted_by_force_before_its_import_is_shown_as_importing_may_run_on(
    operator: Operator,
) -> None:
    await begin(operator)
    pod = operator.build.running_pod(started_ago_s=1)
    operator.cache.pods.update(operator.cluster.put("pods", pod))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["phase"] == "Pending"
    operator.cache.remove_pod(operator.cluster.objects["pods"].pop("film-1-xyz"))
    operator.cache.jobs.update(operator.cluster.put("jobs", operator.build.failed_job()))
    for seconds, jobs in ((0, 1), (89, 1), (90, 2)):
        operator.now = operator.build.now + timedelta(seconds=seconds)
        operator.queue.add(operator.build.uid)
        await operator.settle()
        assert len(operator.cluster.objects["jobs"]) == jobs


async def test_next_attempt_waits_after_the_pod_was_deleted_by_force(operator: Operator) -> None:
    operator.cache.remove_pod(await importing(operator))
    operator.cluster.objects["pods"].clear()
    failed = operator.build.failed_job()
    operator.cache.jobs.update(operator.cluster.put("jobs", failed))
    for seconds, jobs in ((0, 1), (89, 1), (90, 2)):
        operator.now = operator.build.now + timedelta(seconds=seconds)
        operator.queue.add(operator.build.uid)
        await operator.settle()
        assert len(operator.cluster.objects["jobs"]) == jobs


async def test_pod_of_a_foreign_job_with_our_labels_delays_nothing(operator: Operator) -> None:
    meta = {"name": "foreign", "uid": "foreign", "ownerReferences": [{"uid": "another", "controller": True}]}
    operator.cluster.put("jobs", operator.build.job(7, meta=meta))
    owner = {"kind": "Job", "uid": "foreign", "controller": True}
    operator.cluster.put("pods", operator.build.running_pod() | {
        "metadata": operator.build.running_pod()["metadata"] | {"ownerReferences": [owner]}
    })  # fmt: skip
    await begin(operator)
    assert set(operator.cluster.objects["jobs"]) == {"foreign", job_name(operator)}


async def test_job_that_only_has_our_labels_is_no_attempt(operator: Operator) -> None:
    meta = {"name": "foreign", "uid": "foreign", "ownerReferences": [{"uid": "another", "controller": True}]}
    operator.cluster.put("jobs", operator.build.job(7, meta=meta))
    await begin(operator)
    assert operator.status["tally"]["started"] == 1
    assert set(operator.cluster.objects["jobs"]) == {"foreign", job_name(operator)}


async def test_what_a_newer_release_says_of_a_completed_import_stays_when_a_change_is_acknowledged(
    operator: Operator,
) -> None:
    await begin(operator)
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    item = operator.cluster.objects["imports"]["film"]
    item["status"]["media"]["warnings"] = ["FromTheFuture"]
    item["status"]["later"] = {"a": 1}
    item["metadata"]["generation"] = 2
    operator.cache.imports.update(operator.cluster.put("imports", item))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert (operator.status["phase"], operator.status["observedGeneration"]) == ("Ready", 2)
    assert operator.status["media"]["warnings"] == ["FromTheFuture"]
    assert operator.status["later"] == {"a": 1}


async def test_nothing_is_kept_of_the_deleted_jobs_of_a_completed_import(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.put("jobs", operator.build.complete_job(ago_s=10_000))
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    assert operator.cluster.writes[-1] == f"delete {job_name(operator)}"
    assert operator.cache.jobs.deleted == {}


async def test_job_that_finished_before_the_status_write_is_deleted_later(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.put("jobs", operator.build.complete_job() | {"spec": {}})
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    assert await operator.reconciler.reconcile(operator.build.uid) == operator.now
    assert await operator.reconciler.reconcile(operator.build.uid) == operator.now + timedelta(minutes=5)


async def test_pod_that_is_deleted_after_its_end_is_recorded_is_not_kept(operator: Operator) -> None:
    await begin(operator)
    pod = operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    assert not operator.cache.remove_pod(pod)
    assert operator.cache.deleted_pods == {}


async def test_pod_that_is_deleted_before_its_end_is_recorded_is_kept_until_then(operator: Operator) -> None:
    await begin(operator)
    pod = operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    assert operator.cache.remove_pod(pod)
    assert operator.cache.deleted_pods != {}
    operator.queue.add(operator.build.uid)
    await operator.settle()
    await operator.reconciler.reconcile(operator.build.uid)
    assert (operator.status["phase"], operator.cache.deleted_pods) == ("Ready", {})


async def test_a_failed_attempt_shows_the_end_of_its_log(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.log = b'{"ts":"t","level":"error","msg":"the source is gone","seq":1}\nplain \x1b[31mtext\n'
    message = operator.build.failure(Reason.SOURCE_NOT_FOUND).encode()
    operator.cluster.put("pods", operator.build.ended_pod(exit_code=11, message=message))
    await operator.resync.once()
    await operator.settle()
    assert operator.status["attempts"][0]["logTail"] == "error the source is gone\nplain  [31mtext"


async def test_progress_reaches_the_status(operator: Operator) -> None:
    await begin(operator)
    progress = '{"ts":"t","level":"info","msg":"m","seq":1,"progress":{"step":"download","percent":42}}'
    operator.cluster.log = progress.encode() + b"\n"
    operator.cluster.put("pods", operator.build.running_pod())
    await operator.resync.once()
    await operator.settle()
    assert await asyncio.wait_for(operator.queue.get(), 5) == operator.build.uid, "the follower queues the import"
    await operator.reconciler.reconcile(operator.build.uid)
    assert operator.status["progress"] == {"step": "download", "percent": 42}


async def test_import_that_has_changed_meanwhile_is_read_again(operator: Operator) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.resync.first()
    operator.cluster.put("imports", operator.build.mediaimport(suspend=True))
    with pytest.raises(ConflictError):
        await operator.settle()
    await operator.reconciler.reconcile(operator.build.uid)
    assert operator.status["phase"] == "Suspended"


async def test_deleted_import_releases_its_slot(operator: Operator) -> None:
    await begin(operator)
    item = operator.cache.imports.get(operator.build.uid)
    assert item is not None
    assert operator.slots.in_flight == 1
    operator.cache.imports.remove(item)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.slots.in_flight == 0


async def test_waiting_imports_start_in_order_when_slots_are_released(build: Build, cluster: FakeCluster) -> None:
    operator = Operator(build, cluster, build.now, cap=1)
    for number, expires in enumerate(("2030-01-01T14:00:00Z", "2030-01-01T13:00:00Z", None)):
        meta = {"name": f"film-{number}", "uid": f"{number}0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11"}
        source = {"expiresAt": expires} if expires else {}
        cluster.put("imports", build.mediaimport(meta=meta, source=source))
    await operator.resync.first()
    await operator.settle()
    phases = {name: item["status"]["phase"] for name, item in cluster.objects["imports"].items()}
    assert phases == {"film-0": "Queued", "film-1": "Pending", "film-2": "Queued"}
    gone = operator.cache.imports.get("10cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11")
    assert gone is not None
    operator.cache.imports.remove(gone)
    del cluster.objects["imports"]["film-1"]
    operator.queue.add(gone["metadata"]["uid"])
    await operator.settle()
    phases = {name: item["status"]["phase"] for name, item in cluster.objects["imports"].items()}
    # The status stays Queued until the importer runs; the Job shows that the import has begun.
    assert phases == {"film-0": "Queued", "film-2": "Queued"}
    assert {name.split("-")[1] for name in cluster.objects["jobs"]} == {"0", "1"}


async def test_failed_reconcile_is_requeued_and_stops_no_worker(operator: Operator) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.resync.first()
    operator.cluster.down = True
    allowed = asyncio.Event()
    allowed.set()
    worker = asyncio.create_task(operator.reconciler.work(allowed))
    await asyncio.wait_for(operator.cluster.refused_while_down.wait(), 5)
    operator.cluster.down = False
    await asyncio.wait_for(operator.cluster.phase_shown.wait(), 60)
    operator.queue.close()
    await worker
    assert job_name(operator) in operator.cluster.objects["jobs"]


async def test_wait_that_the_api_server_names_is_honoured(operator: Operator) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.resync.first()
    operator.cluster.refusing = UnavailableError("slow down", status=429, retry_after_s=17)
    key = await operator.queue.get()
    assert key is not None
    before_s = asyncio.get_running_loop().time()
    await operator.reconciler._timed(key)
    due_s = operator.queue.requeue_s(key)
    assert due_s is not None
    assert due_s >= before_s + 17
    operator.queue.close()


async def test_unexpected_error_is_shown_counted_and_retried(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.resync.first()
    gatherer = operator.reconciler._gatherer
    gather, failures = gatherer.gather, 2

    async def breaking(key: str) -> object:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ZeroDivisionError("a secret")
        return await gather(key)

    monkeypatch.setattr(gatherer, "gather", breaking)
    allowed = asyncio.Event()
    allowed.set()
    worker = asyncio.create_task(operator.reconciler.work(allowed))
    await asyncio.wait_for(operator.cluster.phase_shown.wait(), 60)
    operator.queue.close()
    await worker
    assert operator.cluster.writes[0] == "status None", "the failure was shown, once"
    assert operator.cluster.writes[1:] == [f"create {job_name(operator)}", "status Pending"]
    assert "Operator" not in str(operator.status["conditions"])
    count = operator.metrics.registry.get_sample_value
    assert count("mediaimport_operator_reconcile_total", {"outcome": "error"}) == 2
    assert count("mediaimport_operator_reconcile_total", {"outcome": "success"}) == 1


def deleted(operator: Operator) -> Object:
    item = operator.cluster.objects["imports"]["film"]
    item["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
    return operator.cluster.put("imports", item)


async def until_the_cleanup_job(operator: Operator) -> str:
    await begin(operator, deletionPolicy="Delete")
    operator.cache.imports.update(deleted(operator))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.writes[-1] == f"delete {job_name(operator)}"
    operator.queue.add(operator.build.uid)
    await operator.settle()
    (name,) = operator.cluster.objects["jobs"]
    return name


async def test_deletion_stops_the_importer_and_runs_the_cleanup_job(operator: Operator) -> None:
    name = await until_the_cleanup_job(operator)
    assert operator.cluster.writes[0] == "finalizers 1", "before anything can be stored"
    assert operator.status["conditions"][0]["reason"] == "Deleting"
    operator.cluster.objects["jobs"][name]["status"] = operator.build.complete_job()["status"]
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.objects["imports"] == {}
    assert operator.cluster.objects["jobs"] == {}
    assert "StoredObjectsOrphaned" not in [each["reason"] for each in operator.cluster.events]


async def test_deletion_of_a_spec_that_is_refused_since_an_upgrade_deletes_what_is_stored(operator: Operator) -> None:
    await begin(operator, deletionPolicy="Delete")
    operator.cluster.objects["imports"]["film"]["spec"]["type"] = "hologram"
    operator.cache.imports.update(deleted(operator))
    for _ in range(2):
        operator.queue.add(operator.build.uid)
        await operator.settle()
    (job,) = operator.cluster.objects["jobs"].values()
    variables = job["spec"]["template"]["spec"]["containers"][0]["env"]
    deletion = next(each["value"] for each in variables if each["name"] == "MEDIAIMPORT_DELETION")
    assert (json.loads(deletion)["userId"], json.loads(deletion)["assetId"]) == ("ada", operator.build.uid)
    job["status"] = operator.build.complete_job()["status"]
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert (operator.cluster.objects["imports"], operator.cluster.objects["jobs"]) == ({}, {})


async def test_finalizers_of_others_stay(operator: Operator) -> None:
    others = ["someone.example/else"]
    operator.cluster.put("imports", operator.build.mediaimport(deletionPolicy="Delete", meta={"finalizers": others}))
    await operator.resync.first()
    await operator.settle()
    item = operator.cluster.objects["imports"]["film"]
    assert item["metadata"]["finalizers"] == [*others, STORED_OBJECTS_FINALIZER]
    item["spec"]["deletionPolicy"] = "Retain"
    operator.cache.imports.update(operator.cluster.put("imports", item))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.objects["imports"]["film"]["metadata"]["finalizers"] == others


async def test_orphaned_objects_are_reported_and_counted(operator: Operator) -> None:
    name = await until_the_cleanup_job(operator)
    operator.cluster.objects["jobs"][name]["status"] = operator.build.failed_job(reason="DeadlineExceeded")["status"]
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.objects["imports"] == {}
    event = operator.cluster.events[-1]
    assert (event["reason"], event["type"]) == ("StoredObjectsOrphaned", "Warning")
    assert f"media/ada/{operator.build.uid}/" in event["message"]
    count = operator.metrics.registry.get_sample_value("mediaimport_operator_stored_objects_orphaned_total")
    assert count == 1


async def test_ttl_deletes_the_resource_and_keeps_the_objects(operator: Operator) -> None:
    await begin(operator, deletionPolicy="Delete", ttlSecondsAfterFinished=7200)
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.resync.once()
    await operator.settle()
    operator.now += timedelta(hours=3)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert "finalizers 0" in operator.cluster.writes
    assert operator.cluster.objects["imports"] == {}
    assert not any("delete-film" in each for each in operator.cluster.objects["jobs"])


async def test_first_importer_checks_the_store_and_the_next_one_does_not(operator: Operator) -> None:
    def looks(number: int) -> bool:
        job = list(operator.cluster.objects["jobs"].values())[number]
        variables = job["spec"]["template"]["spec"]["containers"][0]["env"]
        task = Task.model_validate_json(next(each["value"] for each in variables if each["name"] == "MEDIAIMPORT_TASK"))
        return task.look_at_store

    await begin(operator)
    assert looks(0)
    result = operator.build.imported().model_copy(update={"conditional_writes": True})
    operator.cluster.put("pods", operator.build.ended_pod(message=result.encode()))
    await operator.resync.once()
    await operator.settle()
    item = operator.build.mediaimport(meta={"name": "second", "uid": "4f6f0d5e-0000-4000-8000-000000000000"})
    operator.cluster.put("imports", item)
    await operator.resync.once()
    await operator.settle()
    assert not looks(-1)
