"""Events of Jobs and pods reach the caches without kopf, which gets few bookmarks; odd lines go the guard's way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import kopf
import pytest
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.run.kopf_app import guard
from mediaimport_operator.run.kopf_session import BOOKMARK_EVERY, ListAgainError
from mediaimport_operator.run.watch_silence import WatchSilence

from tests.support.operator_fakes import FakeCluster, as_cluster

if TYPE_CHECKING:
    from mediaimport_operator.run.kopf_session import AnswerGuard
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio

PODS = "/api/v1/namespaces/media/pods"
JOBS = "/apis/batch/v1/namespaces/media/jobs"
IMPORTS = "/apis/mediaimport.dev/v1alpha1/namespaces/media/mediaimports"


@pytest.fixture
def context(build: Build) -> Context:
    return Context.create(build.settings(), as_cluster(FakeCluster()), clock=lambda: build.now, debounce_s=0)


@pytest.fixture
def watch(context: Context) -> AnswerGuard:
    return guard(context, kopf.OperatorSettings(), WatchSilence())


def event(kind: str, item: Object, version: int = 7) -> bytes:
    return json.dumps({"type": kind, "object": item | {"metadata": item["metadata"] | meta(version)}}).encode()


def meta(version: int) -> Object:
    return {"resourceVersion": str(version)}


def bookmark(version: int) -> Object:
    return {"type": "BOOKMARK", "object": {"metadata": meta(version)}}


def read(line: bytes | None) -> Any:  # noqa: ANN401 - JSON
    assert line is not None
    assert line.endswith(b"\n"), "kopf reads lines"
    return json.loads(line)


async def test_events_of_jobs_and_pods_reach_the_caches_and_the_queue(
    build: Build, context: Context, watch: AnswerGuard
) -> None:
    assert watch.line(JOBS, event("ADDED", build.job())) is None
    assert len(context.queue) == 1
    assert await context.queue.get() == build.uid
    context.queue.done(build.uid)
    assert watch.line(PODS, event("MODIFIED", build.running_pod(), 8)) is None
    assert (len(context.cache.jobs), len(context.cache.pods)) == (1, 1)
    assert watch.line(PODS, event("DELETED", build.running_pod(), 9)) is None
    assert len(context.cache.pods) == 0
    assert len(context.queue) == 1


async def test_kopf_moves_on_in_a_watch_whose_events_are_taken(build: Build, watch: AnswerGuard) -> None:
    lines = [watch.line(PODS, event("MODIFIED", build.running_pod(), each)) for each in range(2 * BOOKMARK_EVERY)]
    bookmarks = [read(line) for line in lines if line is not None]
    assert bookmarks == [bookmark(BOOKMARK_EVERY - 1), bookmark(2 * BOOKMARK_EVERY - 1)]


async def test_watch_that_begins_again_repeats_what_is_known(
    build: Build, context: Context, watch: AnswerGuard
) -> None:
    lines = [event("ADDED", build.running_pod(), 8), event("DELETED", build.ended_pod(), 9)]
    for line in lines:
        watch.line(PODS, line)
    assert await context.queue.get() == build.uid
    context.queue.done(build.uid)
    watch.line(PODS, lines[0])
    assert (len(context.cache.pods), len(context.queue)) == (0, 0), "a deleted pod does not come back"


async def test_pod_without_news_queues_nothing(build: Build, context: Context, watch: AnswerGuard) -> None:
    watch.line(PODS, event("MODIFIED", build.running_pod(), 7))
    assert await context.queue.get() == build.uid
    context.queue.done(build.uid)
    watch.line(PODS, event("MODIFIED", build.running_pod(), 8))
    assert len(context.queue) == 0
    watch.line(PODS, event("MODIFIED", build.ended_pod(), 9))
    assert len(context.queue) == 1


async def test_object_that_cannot_be_read_is_counted_and_stops_no_other(
    build: Build, context: Context, watch: AnswerGuard
) -> None:
    odd = {"metadata": {"name": "odd", "labels": None}, "status": {}}
    assert watch.line(PODS, event("ADDED", odd, 9)) is None
    count = context.metrics.registry.get_sample_value
    assert count("mediaimport_operator_objects_unreadable_total", {"kind": "pods"}) == 1
    assert watch.line(PODS, event("ADDED", build.pod(), 10)) is None
    assert len(context.cache.pods) == 1


async def test_kopf_gets_imports_that_have_changed_and_not_our_own_writes(
    build: Build, context: Context, watch: AnswerGuard
) -> None:
    item = build.mediaimport()
    line = event("ADDED", item, 7)
    assert read(watch.line(IMPORTS, line)) == json.loads(line), "kopf's handler has it"
    assert len(context.cache.imports) == 0
    context.cache.imports.update(item | {"metadata": item["metadata"] | meta(8)})
    assert watch.line(IMPORTS, event("MODIFIED", item, 8)) is None
    for line in (event("MODIFIED", item, 9), event("DELETED", item, 8), event("ADDED", {"metadata": {"name": "x"}})):
        assert read(watch.line(IMPORTS, line)) == json.loads(line)


async def test_kopf_gets_of_a_list_what_nobody_takes(build: Build, context: Context, watch: AnswerGuard) -> None:
    item, news = build.mediaimport(), build.mediaimport(meta={"uid": "news"})
    context.cache.imports.update(build.mediaimport())
    assert [each async for each in watch.left(IMPORTS, [item, news])] == [news]
    assert [each async for each in watch.left(JOBS, [build.job()])] == []
    assert (len(context.cache.jobs), len(context.queue)) == (1, 1)


@pytest.mark.parametrize("path", [PODS, IMPORTS])
async def test_lines_that_are_no_events_are_the_guards(path: str, watch: AnswerGuard) -> None:
    assert read(watch.line(path, json.dumps(bookmark(5)).encode())) == bookmark(5)
    expired = b'{"type": "ERROR", "object": {"code": 410}}'
    assert read(watch.line(path, expired)) == json.loads(expired)
    assert watch.line(path, b'{"type": "ADDED", "object": {}}') is None
    with pytest.raises(ListAgainError):
        watch.line(path, b"<html>")
