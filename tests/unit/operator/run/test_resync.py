"""Resync: namespaces by themselves, keys queued as they are found, objects that cannot be read passed over."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.decide.limits import order
from mediaimport_operator.observe import resource
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.run import resync
from mediaimport_operator.run.resync import Resync
from mediaimport_runtime.kubernetes.errors import ForbiddenError, UnavailableError

from tests.support.operator_fakes import FakeCluster, as_cluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio

FORBIDDEN = ForbiddenError("mediaimports is forbidden", status=403)


class Namespaces(FakeCluster):
    """An API server with several namespaces, some of which answer with an error, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: dict[str, Exception] = {}
        self.hanging: set[str] = set()
        self.failing_kind = ""

    async def imports(self, namespace: str, take: Callable[[Object], object]) -> str:
        return await self._listed("imports", namespace, take)

    async def jobs(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        assert selector
        return await self._listed("jobs", namespace, take)

    async def pods(self, namespace: str, selector: str, take: Callable[[Object], object]) -> str:
        assert selector
        return await self._listed("pods", namespace, take)

    async def _listed(self, kind: str, namespace: str, take: Callable[[Object], object]) -> str:
        if namespace in self.hanging:
            await asyncio.Event().wait()
        if namespace in self.failing and self.failing_kind in {"", kind}:
            raise self.failing[namespace]
        for each in self.objects[kind].values():
            if each["metadata"].get("namespace") in {namespace, None}:
                take(copy.deepcopy(each))
        return str(self.version)


@pytest.fixture
def cluster() -> Namespaces:
    return Namespaces()


def context_of(build: Build, cluster: Namespaces, *namespaces: str) -> Context:
    settings = build.settings(namespaces=namespaces, operator_namespace="media")
    return Context.create(settings, as_cluster(cluster), clock=lambda: build.now, debounce_s=0)


def put_import(build: Build, cluster: Namespaces, namespace: str) -> str:
    name, uid = f"film-{namespace}", f"uid-{namespace}"
    cluster.put("imports", build.mediaimport(meta={"namespace": namespace, "name": name, "uid": uid}))
    return uid


def sample(context: Context, name: str, **labels: str) -> float | None:
    value: float | None = context.metrics.registry.get_sample_value(f"mediaimport_operator_{name}", labels)
    return value


def test_namespace_is_not_listed_again_before_the_time_that_the_api_server_names() -> None:
    named = UnavailableError("slow down", status=429, retry_after_s=100)
    assert resync.Namespace("media", error=named, failures=1).wait_s == 100
    assert resync.Namespace("media", error=UnavailableError("away"), failures=1).wait_s == 5


def finished(build: Build, number: int) -> Object:
    meta = {"name": f"finished-{number}", "uid": f"finished-{number}"}
    ended = {"completedAt": "2030-01-01T12:00:00Z", "phase": "Ready", "observedGeneration": 1}
    return build.mediaimport(meta=meta) | {"status": ended}


async def test_import_whose_reconcile_was_lost_is_queued_again_and_one_that_has_ended_is_not(
    build: Build, cluster: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "INTERVAL_S", 0.02)
    uid = put_import(build, cluster, "media")
    for number in range(20):
        cluster.put("imports", finished(build, number))
    context = context_of(build, cluster, "media")
    listing = Resync(context)
    await listing.first()
    assert (await context.queue.get(), len(context.queue)) == (uid, 0)
    context.queue.done(uid)

    forever = asyncio.create_task(listing.forever())
    for _ in range(3):
        assert await asyncio.wait_for(context.queue.get(), 60) == uid
        context.queue.done(uid)
    forever.cancel()


async def test_imports_are_reconciled_in_the_order_in_which_they_get_slots(
    build: Build, cluster: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "_SORTED_AT_ONCE", 2)
    claims = []
    for number, expiry in enumerate([None, "2030-01-02T00:00:00Z", "2030-01-03T00:00:00+01:00", None, "odd"]):
        source = {} if expiry is None else {"expiresAt": expiry}
        created = f"2030-01-01T11:00:{30 - number:02}Z"
        meta = {"name": f"film-{number}", "uid": f"uid-{number}", "creationTimestamp": created}
        item = cluster.put("imports", build.mediaimport(meta=meta, source=source))
        claims.append(resource.read(item).claim)
    last = cluster.put(
        "imports", finished(build, 0) | {"spec": build.mediaimport(ttlSecondsAfterFinished=7200)["spec"]}
    )
    context = context_of(build, cluster, "media")
    await Resync(context).first()
    expected = [each.key for each in sorted(claims, key=order)]
    assert [await context.queue.get() for _ in range(6)] == [*expected, last["metadata"]["uid"]]


async def test_namespace_that_refuses_stops_no_other(build: Build, cluster: Namespaces) -> None:
    uid = put_import(build, cluster, "media")
    cluster.failing["gone"] = FORBIDDEN
    context = context_of(build, cluster, "gone", "media")
    listing = Resync(context)

    await asyncio.wait_for(listing.first(), 3)

    assert await context.queue.get() == uid
    assert listing.errors == {"gone": "403: mediaimports is forbidden"}
    assert sample(context, "namespace_synced", namespace="gone") == 0
    assert sample(context, "namespace_synced", namespace="media") == 1
    (event,) = cluster.events
    assert (event["reason"], event["involvedObject"]["kind"]) == ("NamespaceUnavailable", "Pod")
    assert event["message"].startswith("gone: 403: mediaimports is forbidden.")


async def test_namespace_that_gives_no_answer_is_waited_for_a_while(
    build: Build, cluster: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(resync, "_RETRY_S", 0.01)
    put_import(build, cluster, "media")
    cluster.hanging.add("slow")
    context = context_of(build, cluster, "slow", "media")
    listing = Resync(context)

    await asyncio.wait_for(listing.first(), 3)

    assert (len(context.queue), list(listing.errors)) == (1, ["slow"])


async def test_first_resync_waits_while_no_namespace_answers(
    build: Build, cluster: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resync, "_RETRY_S", 0.01)
    put_import(build, cluster, "media")
    cluster.failing |= {"media": FORBIDDEN, "gone": FORBIDDEN}
    context = context_of(build, cluster, "gone", "media")
    first = asyncio.create_task(Resync(context).first())
    _, waiting = await asyncio.wait([first], timeout=0.1)
    assert waiting == {first}

    del cluster.failing["media"]

    await asyncio.wait_for(first, 3)
    assert len(context.queue) == 1


async def test_job_that_only_has_our_labels_takes_no_slot(build: Build, cluster: Namespaces) -> None:
    context = context_of(build, cluster, "media")
    uid = put_import(build, cluster, "media")
    labels = build.labels(1, "") | {"mediaimport.dev/uid": uid}
    cluster.put("jobs", build.job(meta={"labels": labels, "ownerReferences": []}))
    await Resync(context).first()
    assert context.slots.in_flight == 0


async def test_namespace_that_answers_late_gets_slots_for_its_running_jobs(build: Build, cluster: Namespaces) -> None:
    cluster.failing["late"] = FORBIDDEN
    context = context_of(build, cluster, "late", "media")
    listing = Resync(context)
    await listing.first()
    uid = put_import(build, cluster, "late")
    labels = build.labels(1, "") | {"mediaimport.dev/uid": uid}
    owners = [{"uid": uid, "controller": True}]
    cluster.put("jobs", build.job(meta={"namespace": "late", "labels": labels, "ownerReferences": owners}))
    del cluster.failing["late"]

    await listing.once()

    assert (listing.errors, context.slots.in_flight, len(context.queue)) == ({}, 1, 1)


async def test_key_is_queued_although_a_later_list_fails(build: Build, cluster: Namespaces) -> None:
    context = context_of(build, cluster, "media")
    listing = Resync(context)
    uid = put_import(build, cluster, "media")
    await listing.first()
    assert await context.queue.get() == uid
    context.queue.done(uid)
    cluster.put("jobs", build.job(meta={"labels": build.labels(1, "") | {"mediaimport.dev/uid": uid}}))
    cluster.failing, cluster.failing_kind = {"media": UnavailableError("away")}, "pods"

    await listing.once()

    assert len(context.queue) == 1, "no other list reports this Job as changed again"


@pytest.mark.parametrize(
    "broken",
    [{"metadata": {"uid": "x"}}, {"metadata": {"uid": "x", "name": "x", "namespace": "media", "labels": "none"}}],
)
async def test_object_that_cannot_be_read_stops_no_other(build: Build, cluster: Namespaces, broken: Object) -> None:
    uid = put_import(build, cluster, "media")
    for kind in ("imports", "jobs", "pods"):
        cluster.objects[kind] = {"broken": broken} | cluster.objects[kind]
    context = context_of(build, cluster, "media")

    await Resync(context).first()

    assert (await context.queue.get(), len(context.queue)) == (uid, 0)
    assert [sample(context, "objects_unreadable_total", kind=each) for each in ("jobs", "pods", "mediaimports")] == [
        1,
        1,
        1,
    ]


async def test_import_with_an_extreme_expiry_stops_no_other(build: Build, cluster: Namespaces) -> None:
    uid = put_import(build, cluster, "media")
    item = build.mediaimport(meta={"name": "extreme"}, source={"expiresAt": "9999-12-31T23:59:59-01:00"})
    cluster.put("imports", item)
    context = context_of(build, cluster, "media")

    await Resync(context).first()

    assert {await context.queue.get() for _ in range(2)} == {uid, build.uid}
