"""Whole passes over an API server in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.task import Task
from mediaimport_operator.decide.limits import Slots
from mediaimport_operator.observe.cache import World
from mediaimport_operator.progress.log_follower import Followers
from mediaimport_operator.reconcile.apply import Applier
from mediaimport_operator.reconcile.gather import Gatherer
from mediaimport_operator.reconcile.metrics import Metrics
from mediaimport_operator.reconcile.queue import WorkQueue
from mediaimport_operator.reconcile.worker import Reconciler
from mediaimport_operator.run.resync import Sweeper
from mediaimport_operator.settings.operator import Caps
from mediaimport_runtime.kubernetes.errors import ConflictError, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build, FakeCluster

pytestmark = pytest.mark.anyio


@dataclass
class Operator:
    """An operator without watches: its caches learn by sweeps and by its own writes."""

    build: Build
    cluster: FakeCluster
    now: datetime
    cap: int = 10
    queue: WorkQueue = field(default_factory=WorkQueue)
    world: World = field(default_factory=World)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        settings = self.build.settings(namespaces=("media",))
        self.slots = Slots(Caps(self.cap), on_grant=self.queue.add)
        self.followers = Followers(self.cluster, on_progress=self.queue.add, on_step=self.metrics.step)
        parts = {"cluster": self.cluster, "world": self.world, "slots": self.slots, "followers": self.followers}
        parts["refusals"] = {}
        gatherer = Gatherer(settings=settings, clock=lambda: self.now, **parts)
        self.reconciler = Reconciler(
            queue=self.queue,
            gatherer=gatherer,
            applier=Applier(**parts, metrics=self.metrics, settings=settings),
            slots=self.slots,
            metrics=self.metrics,
            clock=lambda: self.now,
        )
        self.sweeper = Sweeper(
            settings=settings,
            cluster=self.cluster,
            world=self.world,
            queue=self.queue,
            slots=self.slots,
            metrics=self.metrics,
        )

    async def settle(self) -> None:
        """Make passes until the queue is empty."""
        while len(self.queue):
            key = await self.queue.get()
            assert key is not None
            wake_at = await self.reconciler.make_pass(key)
            self.queue.done(key)
            if wake_at is not None and wake_at <= self.now:
                self.queue.add(key)

    @property
    def status(self) -> Object:
        status: Object = self.cluster.objects["imports"]["film"]["status"]
        return status


@pytest.fixture
async def operator(build: Build, cluster: FakeCluster) -> AsyncIterator[Operator]:
    made = Operator(build, cluster, build.now)
    yield made
    await made.followers.close()


async def begin(operator: Operator, **spec: object) -> None:
    operator.cluster.put("imports", operator.build.mediaimport(**spec))
    await operator.sweeper.first()
    await operator.settle()


def job_name(operator: Operator, attempt: int = 1) -> str:
    name: str = operator.build.job(attempt)["metadata"]["name"]
    return name


async def test_the_job_is_created_before_the_status_tells_of_it(operator: Operator) -> None:
    await begin(operator)
    assert operator.cluster.writes == [f"create {job_name(operator)}", "status Pending"]
    assert [each["reason"] for each in operator.cluster.events] == ["Starting"]


async def test_a_second_pass_writes_nothing(operator: Operator) -> None:
    await begin(operator)
    before = list(operator.cluster.writes)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.writes == before


async def test_an_import_goes_from_job_to_ready(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.sweeper.once()
    await operator.settle()
    assert operator.status["phase"] == "Ready"
    assert operator.slots.in_flight == 0


async def test_a_new_operator_goes_on_where_the_last_one_was_killed(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["imports"]["film"]["status"] = {}
    successor = Operator(operator.build, operator.cluster, operator.now)
    await successor.sweeper.first()
    assert successor.slots.in_flight == 1, "the running Job holds its slot before anyone else is served"
    await successor.settle()
    assert [each for each in operator.cluster.writes if each.startswith("create")] == [f"create {job_name(operator)}"]
    assert successor.status["tally"]["started"] == 1


async def test_a_job_that_exists_already_and_is_ours_is_taken_over(operator: Operator) -> None:
    await begin(operator)
    successor = Operator(operator.build, operator.cluster, operator.now)
    successor.world.imports.see(operator.build.mediaimport(meta={"resourceVersion": str(operator.cluster.version)}))
    successor.queue.add(operator.build.uid)
    await successor.settle()
    assert [each for each in operator.cluster.writes if each.startswith("create")] == [f"create {job_name(operator)}"]
    assert successor.world.jobs.of(operator.build.uid) != []


async def test_a_foreign_job_of_that_name_is_left_alone(operator: Operator) -> None:
    foreign = operator.build.job(meta={"ownerReferences": []})
    foreign["metadata"]["labels"] = {}
    operator.cluster.put("jobs", foreign)
    await begin(operator)
    assert operator.status["conditions"][0]["reason"] == "JobNameTaken"
    assert operator.slots.in_flight == 0
    del operator.cluster.objects["jobs"][foreign["metadata"]["name"]]
    operator.now += timedelta(seconds=31)
    operator.world.jobs = type(operator.world.jobs)()
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["conditions"][0]["reason"] == "Starting"


async def test_a_refused_job_shows_its_cause_and_heals(operator: Operator) -> None:
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


async def test_a_refused_pod_shows_what_the_job_controller_said_last(operator: Operator) -> None:
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


async def test_absence_in_the_caches_is_checked_before_it_counts(operator: Operator) -> None:
    await begin(operator)
    operator.world.jobs = type(operator.world.jobs)()
    operator.cluster.put("pods", operator.build.running_pod())
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["phase"] == "Importing", "the Job was there, only not in the cache"


async def test_a_job_that_is_really_gone_is_replaced(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["jobs"].clear()
    await operator.sweeper.once()
    await operator.settle()
    assert operator.status["attempts"][0]["reason"] == "Disrupted"
    operator.now += timedelta(seconds=6)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert list(operator.cluster.objects["jobs"]) == [job_name(operator, 2)]


async def test_a_job_whose_labels_are_taken_away_is_found_by_its_name(operator: Operator) -> None:
    await begin(operator)
    (job,) = operator.cluster.objects["jobs"].values()
    del job["metadata"]["labels"]
    # That is how a watch tells of it: the Job has left its selector.
    operator.world.jobs.forget(operator.world.jobs.get(job["metadata"]["uid"]))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert list(operator.cluster.objects["jobs"]) == [job_name(operator)]
    assert operator.status["phase"] == "Pending"
    assert [each["metadata"]["name"] for each in operator.world.jobs.of(operator.build.uid)] == [job_name(operator)]


async def test_the_last_words_of_a_deleted_pod_count(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.objects["jobs"].clear()
    await operator.sweeper.once()
    operator.world.forget_pod(operator.build.ended_pod(message=operator.build.imported().encode()))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.status["phase"] == "Ready"
    assert operator.world.relics == {}


async def test_a_job_whose_last_word_came_before_the_status_is_removed_in_its_time(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.put("jobs", operator.build.complete_job() | {"spec": {}})
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.sweeper.once()
    assert await operator.reconciler.make_pass(operator.build.uid) == operator.now
    assert await operator.reconciler.make_pass(operator.build.uid) == operator.now + timedelta(minutes=5)


async def test_a_pod_that_goes_after_its_end_was_told_leaves_nothing(operator: Operator) -> None:
    await begin(operator)
    pod = operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.sweeper.once()
    await operator.settle()
    operator.world.forget_pod(pod)
    assert operator.world.relics != {}
    await operator.reconciler.make_pass(operator.build.uid)
    assert operator.world.relics == {}


async def test_a_failed_attempt_shows_the_end_of_its_log(operator: Operator) -> None:
    await begin(operator)
    operator.cluster.log = b'{"ts":"t","level":"error","msg":"the source is gone","seq":1}\nplain \x1b[31mtext\n'
    told = operator.build.failure(Reason.SOURCE_NOT_FOUND).encode()
    operator.cluster.put("pods", operator.build.ended_pod(exit_code=11, message=told))
    await operator.sweeper.once()
    await operator.settle()
    assert operator.status["attempts"][0]["logTail"] == "error the source is gone\nplain  [31mtext"


async def test_progress_reaches_the_status(operator: Operator) -> None:
    await begin(operator)
    progress = '{"ts":"t","level":"info","msg":"m","seq":1,"progress":{"step":"download","percent":42}}'
    operator.cluster.log = progress.encode() + b"\n"
    operator.cluster.put("pods", operator.build.running_pod())
    await operator.sweeper.once()
    await operator.settle()
    assert await asyncio.wait_for(operator.queue.get(), 5) == operator.build.uid, "the follower asks for a pass"
    await operator.reconciler.make_pass(operator.build.uid)
    assert operator.status["progress"] == {"step": "download", "percent": 42}


async def test_a_status_that_has_changed_meanwhile_is_read_again(operator: Operator) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.sweeper.first()
    operator.cluster.put("imports", operator.build.mediaimport(suspend=True))
    with pytest.raises(ConflictError):
        await operator.settle()
    await operator.reconciler.make_pass(operator.build.uid)
    assert operator.status["phase"] == "Suspended"


async def test_a_deleted_import_gives_its_slot_back(operator: Operator) -> None:
    await begin(operator)
    item = operator.world.imports.get(operator.build.uid)
    assert item is not None
    assert operator.slots.in_flight == 1
    operator.world.imports.forget(item)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.slots.in_flight == 0


async def test_waiting_imports_start_in_order_when_slots_get_free(build: Build, cluster: FakeCluster) -> None:
    operator = Operator(build, cluster, build.now, cap=1)
    for number, expires in enumerate(("2030-01-01T14:00:00Z", "2030-01-01T13:00:00Z", None)):
        meta = {"name": f"film-{number}", "uid": f"{number}0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11"}
        source = {"expiresAt": expires} if expires else {}
        cluster.put("imports", build.mediaimport(meta=meta, source=source))
    await operator.sweeper.first()
    await operator.settle()
    phases = {name: item["status"]["phase"] for name, item in cluster.objects["imports"].items()}
    assert phases == {"film-0": "Queued", "film-1": "Pending", "film-2": "Queued"}
    gone = operator.world.imports.get("10cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11")
    assert gone is not None
    operator.world.imports.forget(gone)
    del cluster.objects["imports"]["film-1"]
    operator.queue.add(gone["metadata"]["uid"])
    await operator.settle()
    phases = {name: item["status"]["phase"] for name, item in cluster.objects["imports"].items()}
    # It is shown as it was until its importer runs; that it has begun is seen by its Job.
    assert phases == {"film-0": "Queued", "film-2": "Queued"}
    assert {name.split("-")[1] for name in cluster.objects["jobs"]} == {"0", "1"}


async def test_a_pass_that_fails_is_tried_again_and_stops_no_worker(operator: Operator) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.sweeper.first()
    operator.cluster.down = True
    allowed = asyncio.Event()
    allowed.set()
    worker = asyncio.create_task(operator.reconciler.work(allowed))
    await asyncio.wait_for(operator.cluster.asked_in_vain.wait(), 5)
    operator.cluster.down = False
    await asyncio.wait_for(operator.cluster.told.wait(), 5)
    operator.queue.close()
    await worker
    assert job_name(operator) in operator.cluster.objects["jobs"]


async def test_a_pass_that_breaks_is_shown_counted_and_heals(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.cluster.put("imports", operator.build.mediaimport())
    await operator.sweeper.first()
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
    await asyncio.wait_for(operator.cluster.told.wait(), 10)
    operator.queue.close()
    await worker
    assert operator.cluster.writes[0] == "status None", "the failure was shown, once"
    assert operator.cluster.writes[1:] == [f"create {job_name(operator)}", "status Pending"]
    assert "Operator" not in str(operator.status["conditions"])
    count = operator.metrics.registry.get_sample_value
    assert count("mediaimport_operator_passes_total", {"outcome": "broken"}) == 2
    assert count("mediaimport_operator_passes_total", {"outcome": "done"}) == 1


def deleted(operator: Operator) -> Object:
    item = operator.cluster.objects["imports"]["film"]
    item["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
    return operator.cluster.put("imports", item)


async def until_the_eraser(operator: Operator) -> str:
    await begin(operator, deletionPolicy="Delete")
    operator.world.imports.see(deleted(operator))
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.writes[-1] == f"delete {job_name(operator)}"
    operator.queue.add(operator.build.uid)
    await operator.settle()
    (name,) = operator.cluster.objects["jobs"]
    return name


async def test_a_deletion_goes_from_importer_to_eraser_to_gone(operator: Operator) -> None:
    name = await until_the_eraser(operator)
    assert operator.cluster.writes[0] == "finalizers 1", "before anything can be stored"
    assert operator.status["conditions"][0]["reason"] == "Deleting"
    operator.cluster.objects["jobs"][name]["status"] = operator.build.complete_job()["status"]
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.objects["imports"] == {}
    assert operator.cluster.objects["jobs"] == {}
    assert "StoredObjectsLeft" not in [each["reason"] for each in operator.cluster.events]


async def test_a_deletion_that_stays_impossible_is_told_and_counted(operator: Operator) -> None:
    name = await until_the_eraser(operator)
    operator.cluster.objects["jobs"][name]["status"] = operator.build.failed_job(reason="DeadlineExceeded")["status"]
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert operator.cluster.objects["imports"] == {}
    told = operator.cluster.events[-1]
    assert (told["reason"], told["type"]) == ("StoredObjectsLeft", "Warning")
    assert f"media/ada/{operator.build.uid}/" in told["message"]
    count = operator.metrics.registry.get_sample_value("mediaimport_operator_stored_objects_left_total")
    assert count == 1


async def test_the_end_of_its_time_to_live_leaves_the_objects(operator: Operator) -> None:
    await begin(operator, deletionPolicy="Delete", ttlSecondsAfterFinished=7200)
    operator.cluster.put("pods", operator.build.ended_pod(message=operator.build.imported().encode()))
    await operator.sweeper.once()
    await operator.settle()
    operator.now += timedelta(hours=3)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert "finalizers 0" in operator.cluster.writes
    assert operator.cluster.objects["imports"] == {}
    assert not any("delete-film" in each for each in operator.cluster.objects["jobs"])


async def test_the_first_importer_looks_at_the_store_and_the_next_one_need_not(operator: Operator) -> None:
    def looks(number: int) -> bool:
        job = list(operator.cluster.objects["jobs"].values())[number]
        variables = job["spec"]["template"]["spec"]["containers"][0]["env"]
        task = Task.model_validate_json(next(each["value"] for each in variables if each["name"] == "MEDIAIMPORT_TASK"))
        return task.look_at_store

    await begin(operator)
    assert looks(0)
    result = operator.build.imported().model_copy(update={"conditional_writes": True})
    operator.cluster.put("pods", operator.build.ended_pod(message=result.encode()))
    await operator.sweeper.once()
    await operator.settle()
    item = operator.build.mediaimport(meta={"name": "second", "uid": "4f6f0d5e-0000-4000-8000-000000000000"})
    operator.cluster.put("imports", item)
    await operator.sweeper.once()
    await operator.settle()
    assert not looks(-1)
