"""Imports whose reconcile fails whatever is tried: they hold no slot, show the cause, and end as Failed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.reconcile import queue, worker
from mediaimport_operator.reconcile.apply import Applier
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.reconcile.worker import MAX_ERRORS, Reconciler
from mediaimport_operator.run.resync import Resync
from mediaimport_operator.settings.operator import Caps
from mediaimport_runtime.kubernetes.errors import UnavailableError

from tests.support.operator_fakes import UID, FakeCluster, as_cluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio

OTHER = "4f6f0d5e-0000-4000-8000-000000000000"


class Poisoned(FakeCluster):
    """An API server in front of which one import's requests fail."""

    def __init__(self) -> None:
        super().__init__()
        self.creating: Exception | None = None
        self.writing: Exception | None = None

    async def create_job(self, namespace: str, job: Object) -> Object:
        if self.creating is not None and job["metadata"]["labels"]["mediaimport.dev/uid"] == UID:
            raise self.creating
        return await super().create_job(namespace, job)

    async def patch_status(self, namespace: str, name: str, patch: Object) -> Object:
        failing = patch["status"].get("phase") not in {None, "Failed"}
        if self.writing is not None and name == "film" and failing:
            raise self.writing
        return await super().patch_status(namespace, name, patch)

    def status(self, name: str) -> Object:
        found: Object = self.objects["imports"][name].get("status") or {}
        return found


@pytest.fixture
def cluster() -> Poisoned:
    return Poisoned()


@pytest.fixture
async def context(build: Build, cluster: Poisoned, monkeypatch: pytest.MonkeyPatch) -> Context:
    """An operator with one slot and no backoff, with the poisoned import first in its queue."""
    monkeypatch.setattr(queue, "_INITIAL_BACKOFF_S", 0.0)
    cluster.put("imports", build.mediaimport(source={"expiresAt": "2030-01-01T13:00:00Z"}))
    cluster.put("imports", build.mediaimport(meta={"name": "other", "uid": OTHER}))
    settings = build.settings(namespaces=("media",), caps=Caps(1))
    context = Context.create(settings, as_cluster(cluster), clock=lambda: build.now)
    await Resync(context).first()
    return context


async def work_until(context: Context, met: Callable[[], bool]) -> None:
    """Let a worker reconcile until the condition holds."""
    leading = asyncio.Event()
    leading.set()
    work = asyncio.create_task(Reconciler(context).work(leading))
    async with asyncio.timeout(5):
        while not met():  # noqa: ASYNC110 - the state of a fake
            await asyncio.sleep(0.001)
    context.queue.close()
    await work


def jobs_of(cluster: Poisoned, uid: str) -> list[str]:
    labels = [each["metadata"]["labels"]["mediaimport.dev/uid"] for each in cluster.objects["jobs"].values()]
    return [each for each in labels if each == uid]


async def test_worker_reconciles_nothing_before_its_operator_leads(cluster: Poisoned, context: Context) -> None:
    leading = asyncio.Event()
    work = asyncio.create_task(Reconciler(context).work(leading))
    await asyncio.sleep(0.05)
    assert cluster.writes == []
    leading.set()
    context.queue.close()
    await work
    assert cluster.writes != []


async def test_reconcile_that_raises_holds_no_slot(cluster: Poisoned, context: Context) -> None:
    cluster.creating = RecursionError()
    await work_until(context, lambda: bool(jobs_of(cluster, OTHER)))
    assert (context.slots.holds(UID), context.slots.holds(OTHER)) == (False, True)


async def test_import_whose_reconciles_raise_ends_as_failed_with_the_cause(cluster: Poisoned, context: Context) -> None:
    context.slots.caps = Caps(2)
    cluster.creating = RecursionError()
    await work_until(context, lambda: cluster.status("film").get("phase") == "Failed")
    conditions = {each["type"]: each for each in cluster.status("film")["conditions"]}
    assert {name: each["reason"] for name, each in conditions.items()} == {
        "Ready": "OperatorFailed",
        "Stalled": "OperatorFailed",
    }
    expected = f"the operator failed {MAX_ERRORS} times at this import (RecursionError in test_poison.py:create_job)"
    assert conditions["Stalled"]["message"].startswith(expected)
    assert [each["reason"] for each in cluster.events if each["involvedObject"]["name"] == "film"] == ["OperatorFailed"]
    assert context.slots.holds(OTHER)
    assert len(context.queue) == 0
    completed = context.metrics.registry.get_sample_value(
        "mediaimport_operator_imports_completed_total", {"result": "failed", "reason": "OperatorFailed"}
    )
    assert completed == 1


async def test_import_that_was_given_up_is_deleted_after_its_time_to_live(
    build: Build, cluster: Poisoned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_INITIAL_BACKOFF_S", 0.0)
    cluster.creating = RecursionError()
    cluster.put("imports", build.mediaimport(ttlSecondsAfterFinished=7200))

    def clock() -> datetime:
        """Three hours later, once the import has failed."""
        film = cluster.objects["imports"].get("film", {})
        return build.now + timedelta(hours=3 if film.get("status", {}).get("phase") == "Failed" else 0)

    context = Context.create(build.settings(namespaces=("media",)), as_cluster(cluster), clock=clock, debounce_s=0)
    await Resync(context).first()
    await work_until(context, lambda: "delete film" in cluster.writes)
    assert "status Failed" in cluster.writes


async def test_errors_add_up_although_the_import_waits_for_its_slot_in_between(
    cluster: Poisoned, context: Context
) -> None:
    cluster.creating = RecursionError()
    assert context.slots.caps.total == 1
    leading = asyncio.Event()
    leading.set()
    work = asyncio.create_task(Reconciler(context).work(leading))
    async with asyncio.timeout(5):
        while cluster.status("film").get("phase") != "Failed":
            await asyncio.sleep(0.001)
            # The other import ends, and begins again.
            context.slots.release(OTHER)
            context.queue.add(OTHER)
    context.queue.close()
    await work


async def test_import_with_a_job_keeps_its_slot_until_it_is_given_up_with_its_job(
    cluster: Poisoned, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MAX_ERRORS", 1000)
    cluster.writing = TypeError()
    failures = context.queue.failures
    await work_until(context, lambda: failures(UID) > 2)
    assert (len(jobs_of(cluster, UID)), context.slots.holds(UID)) == (1, True)

    monkeypatch.setattr(worker, "MAX_ERRORS", 3)
    successor = Context.create(context.settings, as_cluster(cluster), clock=context.clock)
    await Resync(successor).first()
    await work_until(successor, lambda: bool(jobs_of(cluster, OTHER)))
    assert cluster.status("film").get("phase") == "Failed"
    assert jobs_of(cluster, UID) == []


async def test_import_that_is_given_up_leaves_a_job_alone_that_only_has_its_label(
    build: Build, cluster: Poisoned, context: Context
) -> None:
    foreign = build.job(7, meta={"name": "somebodys", "uid": "foreign", "ownerReferences": []})
    context.cache.jobs.update(cluster.put("jobs", foreign))
    assert not context.has_unfinished_job(UID)
    await Applier(context).give_up(UID, "it failed", now=build.now)
    assert cluster.status("film").get("phase") == "Failed"
    assert "somebodys" in cluster.objects["jobs"]


async def test_import_whose_job_the_api_server_never_answers_gives_its_slot_away_after_a_while(
    cluster: Poisoned, context: Context
) -> None:
    cluster.creating = UnavailableError("failed calling webhook", status=500)
    await work_until(context, lambda: bool(jobs_of(cluster, OTHER)))
    unavailable = context.metrics.registry.get_sample_value(
        "mediaimport_operator_reconcile_total", {"outcome": "unavailable"}
    )
    assert unavailable == 5, "a short absence of the API server changes no slot"
    assert cluster.status("film").get("phase") != "Failed"
