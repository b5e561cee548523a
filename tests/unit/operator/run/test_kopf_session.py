"""kopf over an API server, or a proxy, whose answers kopf does not expect: it lives on, and sees what comes later."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import kopf
import pytest
from aiohttp import web
from mediaimport_operator.cluster import Cluster
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.run import kopf_app
from mediaimport_operator.run.watch_silence import DEAD_S, LOST_S, WatchLostError, WatchSilence

from tests.support.fake_api.faults import Hang, answer, cut
from tests.support.fake_api.server import FakeApi, html
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.fake_api.faults import Act
    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio
LIST = r"GET .*media/mediaimports\?(?!.*watch)"
WATCH = "GET .*media/mediaimports.*watch=true"
STATUS = '{"kind": "Status", "message": "no", "code": %d}'
NEXT_CENTURY = {"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}

ODD_BODIES = {
    "page": html(200),
    "page-of-foreign-letters": answer(200, "<html>\xe9\xff"),
    "object-that-is-no-list": answer(200, "{}"),
    "array": answer(200, "[]"),
    "null": answer(200, "null"),
    "nothing": answer(200, ""),
    "deep": answer(200, "[" * 100_000),
    "items-without-a-version": answer(200, '{"items": []}'),
    "400": answer(400, STATUS % 400),
    "404": answer(404, STATUS % 404),
    "405": answer(405, "<html>"),
    "410": answer(410, STATUS % 410),
    "429-until-a-date": answer(429, "", NEXT_CENTURY),
    "500": html(500),
    "503": answer(503, "[]", {"Retry-After": "1"}),
    "302": answer(302, "", {"Location": "/login"}),
    "302-without-end": answer(302, "", {"Location": "/apis"}),
    "cut": cut,
}
ODD_LINES = {
    "object": '{"a": 1}\n',
    "text": '"x"\n',
    "unknown-type": '{"type": "RENAMED", "object": {}}\n',
    "error": '{"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd leader changed"}}\n',
    "error-without-a-code": '{"type": "ERROR", "object": null}\n',
    "gone": '{"type": "ERROR", "object": {"code": 410}}\n',
    "no-object": '{"type": "MODIFIED", "object": null}\n',
    "no-metadata": '{"type": "ADDED", "object": {"metadata": null}}\n',
    "no-name": '{"type": "DELETED", "object": {"metadata": {"resourceVersion": "7"}}}\n',
    "empty-bookmark": '{"type": "BOOKMARK", "object": {}}\n',
    "labels-of-text": '{"type": "ADDED", "object": {"metadata": {"name": "a", "labels": 1, "resourceVersion": "7"}}}\n',
}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@dataclass
class World:
    api: FakeApi
    build: Build
    context: Context
    options: kopf.OperatorSettings
    running: asyncio.Task[None]
    silence: WatchSilence

    def put(self, number: int) -> str:
        """Store an import; return its uid."""
        uid = str(UUID(int=number))
        self.api.put("mediaimports", self.build.mediaimport(meta={"name": f"film-{number}", "uid": uid}))
        return uid

    async def sees(self, uid: str, *, within_s: float = 90) -> None:
        await self.until(lambda: self.context.cache.imports.get(uid) is not None, within_s=within_s)

    async def until(self, condition: Callable[[], bool], *, within_s: float = 90) -> None:
        pause_s = 0.05
        async with asyncio.timeout(within_s):
            while not condition():
                assert not self.running.done(), "kopf has ended"
                # Each look costs a round of the loop: in minutes without news, one a second is enough.
                await asyncio.sleep(pause_s)
                pause_s = min(1.1 * pause_s, 1.0)

    def count(self, name: str, **labels: str) -> float:
        value = self.context.metrics.registry.get_sample_value(f"mediaimport_operator_{name}", labels)
        return value or 0.0


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi().serving() as serving:
        yield serving


@asynccontextmanager
async def watching(api: FakeApi, build: Build, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Run kopf with the operator's handlers and settings."""
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(folder)))
    stopped = asyncio.Event()

    async def nothing() -> None:
        pass

    async with api.client() as client:
        context = Context.create(build.settings(), Cluster(client), clock=lambda: build.now)
        options, silence = kopf_app.kopf_settings(build.settings()), WatchSilence()
        handlers = kopf_app.registry(context=context, options=options, silence=silence, start=nothing, stop=nothing)
        running = asyncio.create_task(
            kopf.operator(
                registry=handlers,
                settings=options,
                identity="test",  # type: ignore[arg-type]
                standalone=True,
                namespaces=["media"],
                stop_flag=stopped,
            )
        )
        try:
            yield World(api, build, context, options, running, silence)
        finally:
            stopped.set()
            api.heal()
            await asyncio.wait([running], timeout=60)


@pytest.fixture
def world(api: FakeApi, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    return lambda: watching(api, build, tmp_path, monkeypatch)


@pytest.mark.parametrize("act", ODD_BODIES.values(), ids=ODD_BODIES)
async def test_odd_answer_to_a_list_ends_no_operator(api: FakeApi, world: Any, act: Act) -> None:  # noqa: ANN401
    fault = api.fault(LIST, act, times=2)
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await running.sees(running.put(1), within_s=400)
        await running.sees(running.put(2))


@pytest.mark.parametrize("act", ODD_BODIES.values(), ids=ODD_BODIES)
async def test_odd_answer_to_a_watch_ends_no_operator(api: FakeApi, world: Any, act: Act) -> None:  # noqa: ANN401
    fault = api.fault(WATCH, act, times=2)
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await running.sees(running.put(1), within_s=400)
        await running.sees(running.put(2))


@pytest.mark.parametrize("act", ODD_BODIES.values(), ids=ODD_BODIES)
async def test_odd_answers_to_the_discovery_end_no_operator(api: FakeApi, world: Any, act: Act) -> None:  # noqa: ANN401
    paths = ("/api", "/apis", "/api/v1", "/apis/batch/v1", "/apis/mediaimport.dev/v1alpha1")
    faults = [api.fault(f"GET {path}$", act, times=1) for path in paths]
    async with world() as running:
        await running.sees(running.put(1), within_s=900)
        assert [each.count for each in faults] == [1] * 5


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
async def test_odd_line_of_a_watch_ends_no_operator(api: FakeApi, world: Any, line: str) -> None:  # noqa: ANN401
    fault = api.fault(WATCH, answer(200, line), times=2)
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await running.sees(running.put(1))
        await running.sees(running.put(2))


async def test_discovery_that_does_not_name_the_resource_is_asked_again(
    api: FakeApi,
    world: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    fault = api.fault("GET /apis/mediaimport.dev/v1alpha1$", answer(200, '{"resources": []}'), times=3)
    async with world() as running:
        await running.sees(running.put(1))
        assert fault.count == 3
    assert "GET /apis/mediaimport.dev/v1alpha1: the answer does not name mediaimports" in caplog.text


async def test_items_that_are_no_objects_are_left_out_and_counted(
    api: FakeApi,
    build: Build,
    world: Any,  # noqa: ANN401
) -> None:
    items: list[Any] = [None, {"metadata": {}}, build.mediaimport()]
    body = json.dumps({"items": items, "metadata": {"resourceVersion": "100"}})
    api.fault(LIST, answer(200, body), times=1)
    async with world() as running:
        await running.sees(build.uid)
        assert running.count("objects_unreadable_total", kind="mediaimports") == 2


async def test_unusable_answers_are_named_and_asked_for_less_and_less(
    api: FakeApi,
    world: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.fault(WATCH, html(200))
    with caplog.at_level(logging.WARNING):
        async with world() as running:
            await running.until(lambda: api.counted(WATCH) >= 1)
            await asyncio.sleep(16)
            assert 3 <= api.counted(WATCH) <= 6
    errors = {vars(each)["error"] for each in caplog.records if each.name.endswith("kopf_session")}
    path = "/apis/mediaimport.dev/v1alpha1/namespaces/media/mediaimports"
    assert errors == {f"GET {path}: a line of the watch is not an event of the Kubernetes API"}


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("pattern", [LIST, WATCH], ids=["list", "watch"])
async def test_wait_that_the_api_server_names_is_kept(api: FakeApi, world: Any, pattern: str, code: int) -> None:  # noqa: ANN401
    fault = api.fault(pattern, answer(code, "{}", {"Retry-After": "12"}))
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await asyncio.sleep(10)
        assert fault.count == 1
        await running.until(lambda: fault.count == 2, within_s=15)


async def test_tokens_that_are_refused_for_a_time_are_no_hot_loop(api: FakeApi, world: Any) -> None:  # noqa: ANN401
    fault = api.fault(LIST, answer(401, STATUS % 401))
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await asyncio.sleep(16)
        assert 3 <= fault.count <= 6
        api.heal()
        await running.sees(running.put(1))


async def test_large_objects_are_listed_in_small_pages_and_cut(api: FakeApi, build: Build, world: Any) -> None:  # noqa: ANN401
    metadata = {f"k{number}": [{"a": 1}] * 700 for number in range(60)}
    uids = [str(UUID(int=number)) for number in range(20)]
    for uid in uids:
        api.put("mediaimports", build.mediaimport(meta={"name": f"film-{uid}", "uid": uid}, metadata=metadata))
    async with world() as running:
        for uid in uids:
            await running.sees(uid)
            assert running.context.cache.imports.get(uid)["spec"]["metadata"] == {}
        assert running.options.watching.chunk_size < 20


async def test_watch_that_brings_nothing_any_more_begins_again(api: FakeApi, world: Any) -> None:  # noqa: ANN401
    async def mute(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(2 * DEAD_S)
        return response

    fault = api.fault(WATCH, mute, times=1)
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await running.sees(running.put(1), within_s=DEAD_S + 30)


async def test_watch_that_is_never_answered_begins_again(api: FakeApi, world: Any) -> None:  # noqa: ANN401
    fault = api.fault(WATCH, Hang(), times=1)
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        checking = asyncio.create_task(running.silence.keep_checking())
        await running.sees(running.put(1), within_s=DEAD_S + 30)
        await asyncio.sleep(LOST_S - DEAD_S)
        assert not checking.done()
        checking.cancel()


async def test_watch_that_kopf_loses_ends_the_operator(world: Any) -> None:  # noqa: ANN401
    async with world() as running:
        await running.sees(running.put(1))
        checking = asyncio.create_task(running.silence.keep_checking())
        await asyncio.sleep(70)
        assert not checking.done()
        (lost,) = [each for each in asyncio.all_tasks() if each.get_name().startswith("watcher for jobs")]
        lost.cancel()
        with pytest.raises(
            WatchLostError, match=r"GET /apis/batch/v1/namespaces/media/jobs: the watch has been silent"
        ):
            await asyncio.wait_for(checking, LOST_S + 70)


async def test_watch_that_the_api_server_holds_off_is_not_lost(api: FakeApi, world: Any) -> None:  # noqa: ANN401
    fault = api.fault(WATCH, answer(429, "{}", {"Retry-After": "400"}), times=1)
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        checking = asyncio.create_task(running.silence.keep_checking())
        await running.sees(running.put(1), within_s=430)
        assert not checking.done()
        checking.cancel()


async def test_watch_that_the_api_server_refuses_is_silent(api: FakeApi, world: Any) -> None:  # noqa: ANN401
    api.bookmark_s = 3
    fault = api.fault(r"GET .*/jobs\?.*watch=true", answer(403, '{"kind": "Status", "message": "cannot watch"}'))
    async with world() as running:
        await asyncio.wait_for(fault.met.wait(), 60)
        await running.until(lambda: running.silence.longest_s > 15)
        api.heal()
        await running.until(lambda: running.silence.longest_s < 10)


async def test_silent_watch_that_is_asked_for_again_and_again_ends_no_operator() -> None:
    silence = WatchSilence()
    checking = asyncio.create_task(silence.keep_checking())
    for _ in range(int(2 * LOST_S / 20)):
        silence.asked("/api/v1/pods")
        await asyncio.sleep(20)
    assert (silence.longest_s > LOST_S, checking.done()) == (True, False), "the next process would be refused, too"
    with pytest.raises(WatchLostError):
        await checking
