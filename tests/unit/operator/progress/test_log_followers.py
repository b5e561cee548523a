"""Followers over a fake API server: streams, polls of those beyond, reconnections, ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.status import MAX_LOG_TAIL
from mediaimport_operator.cluster import Cluster
from mediaimport_operator.progress.log_follower import MAX_POLLS, LogFollowers

from tests.support.fake_api.faults import answer, cut
from tests.support.fake_api.server import FakeApi, Log, html
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio
FOLLOW = "GET .*/log.*follow"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def line(seq: int, *, percent: int = 0, step: str = "download", second: int = 0) -> bytes:
    progress = {"step": step, "percent": percent}
    moment = f"2030-01-01T12:00:{second:02}.000Z"
    return json.dumps({"ts": moment, "level": "info", "msg": "m", "seq": seq, "progress": progress}).encode()


@dataclass
class Following:
    """Followers, and what they have reported."""

    api: FakeApi
    followers: LogFollowers
    progressed: list[str] = field(default_factory=list)
    steps: list[tuple[str, float]] = field(default_factory=list)

    def follow(self, number: int) -> Log:
        log = self.api.logs.setdefault(f"pod-{number}", Log())
        self.followers.follow(f"key-{number}", namespace="media", pod=f"pod-{number}")
        return log

    def percent(self, number: int) -> int | None:
        progress = self.followers.progress(f"key-{number}")
        return None if progress is None else progress.percent


@asynccontextmanager
async def following(*, max_streams: int = 50) -> AsyncIterator[Following]:
    async with FakeApi().serving() as api, api.client(connections=100, timeout_s=5) as client:
        progressed: list[str] = []
        steps: list[tuple[str, float]] = []
        followers = LogFollowers(
            Cluster(client),
            on_progress=progressed.append,
            on_step=lambda step, duration_s: steps.append((step, duration_s)),
            max_streams=max_streams,
        )
        try:
            yield Following(api, followers, progressed, steps)
        finally:
            await followers.close()


async def until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the server has no event for each condition
            await asyncio.sleep(0.1)


async def test_progress_of_a_stream_is_reported() -> None:
    async with following() as now:
        log = now.follow(1)
        log.write(line(0, percent=10))
        await until(lambda: now.percent(1) == 10)
        log.write(line(1, percent=60))
        await asyncio.sleep(3)
        log.write(line(2, percent=70))
        await until(lambda: now.percent(1) == 70)
        assert set(now.progressed) == {"key-1"}


async def test_streams_are_bounded_and_the_others_are_polled() -> None:
    async with following(max_streams=3) as now:
        for number in range(20):
            now.follow(number).write(line(0, percent=number))
        await until(lambda: all(now.percent(number) == number for number in range(20)))
        assert now.api.most_streams == 3
        assert now.api.streams == 3


async def test_polled_log_is_read_again_and_streamed_once_a_stream_is_free() -> None:
    async with following(max_streams=1) as now:
        now.follow(1).write(line(0, percent=1))
        await until(lambda: now.percent(1) == 1)
        log = now.follow(2)
        log.write(line(0, percent=5))
        await until(lambda: now.percent(2) == 5)
        log.write(line(1, percent=6))
        await until(lambda: now.percent(2) == 6, within_s=8)
        assert now.api.counted(f"{FOLLOW}") == 1
        now.followers.unfollow("key-1")
        await until(lambda: now.api.counted("pod-2/log.*follow") == 1, within_s=8)


async def test_polls_are_few_at_a_time() -> None:
    async with following(max_streams=1) as now:
        now.follow(0)
        await until(lambda: now.api.streams == 1)
        polled, _ = now.api.hang("GET .*tailLines")
        for number in range(1, 40):
            now.follow(number)
        await asyncio.sleep(4)
        assert polled.count == MAX_POLLS


@pytest.mark.parametrize("act", [answer(500, "{}"), html(502), cut], ids=["500", "page", "cut"])
async def test_stream_that_breaks_is_opened_again_and_nothing_is_reported_twice(act: Any) -> None:  # noqa: ANN401 - an Act
    async with following() as now:
        fault = now.api.fault(FOLLOW, act, times=2)
        log = now.follow(1)
        log.write(line(0, step="connect"), line(1, step="download", second=2), line(2, step="probe", second=5))
        await until(lambda: len(now.steps) == 2)
        log.ended = True
        log.changed.set()
        await until(lambda: now.api.counted(FOLLOW) >= 5)
        assert fault.count == 2
        assert now.steps == [("connect", 2.0), ("download", 3.0)]


async def test_follower_of_a_pod_that_is_gone_ends() -> None:
    async with following() as now:
        now.followers.follow("key-1", namespace="media", pod="gone")
        await until(lambda: now.api.counted(FOLLOW) == 1)
        await asyncio.sleep(20)
        assert now.api.counted(FOLLOW) == 1


async def test_another_pod_of_an_import_is_followed_instead() -> None:
    async with following() as now:
        now.follow(1).write(line(0, percent=90))
        await until(lambda: now.percent(1) == 90)
        now.api.logs["second"] = Log()
        now.api.logs["second"].write(line(0, percent=3))
        now.followers.follow("key-1", namespace="media", pod="second")
        assert now.percent(1) is None
        await until(lambda: now.percent(1) == 3)
        await until(lambda: now.api.streams == 1)


async def test_unfollowed_log_is_read_no_more() -> None:
    async with following() as now:
        now.follow(1).write(line(0, percent=1))
        await until(lambda: now.api.streams == 1)
        now.followers.unfollow("key-1")
        await until(lambda: now.api.streams == 0)
        assert now.percent(1) is None


async def test_steps_whose_lines_were_missed_are_not_measured() -> None:
    async with following() as now:
        log = now.follow(1)
        log.write(line(0, step="connect"), line(40, step="probe", second=9), line(41, step="thumbnail", second=11))
        await until(lambda: bool(now.steps))
        assert now.steps == [("probe", 2.0)]


async def test_tail_comes_from_the_api_server() -> None:
    async with following() as now:
        now.api.logs["pod-1"] = Log(text=b"first\nlast\n")
        assert await now.followers.tail("key-1", namespace="media", pod="pod-1") == "first\nlast"


async def test_tail_of_a_pod_that_is_gone_comes_from_what_was_followed() -> None:
    async with following() as now:
        now.follow(1).write(b"kept", b"x" * (MAX_LOG_TAIL + 500), b"last")
        await until(lambda: now.api.streams == 1)
        await asyncio.sleep(1)
        del now.api.logs["pod-1"]
        tail = await now.followers.tail("key-1", namespace="media", pod="pod-1")
        assert tail is not None
        assert tail.endswith("last")
        assert await now.followers.tail("key-1", namespace="media", pod="another") is None


async def test_tail_of_a_kubelet_that_does_not_answer_takes_no_worker_for_long() -> None:
    async with following() as now:
        now.api.hang("GET .*tailLines")
        begun = asyncio.get_running_loop().time()
        assert await now.followers.tail("key-1", namespace="media", pod="pod-1") is None
        assert asyncio.get_running_loop().time() - begun < 6


async def test_close_ends_all_streams() -> None:
    async with following() as now:
        for number in range(5):
            now.follow(number)
        await until(lambda: now.api.streams == 5)
        await now.followers.close()
        await until(lambda: now.api.streams == 0)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("max_streams", [50, 0], ids=["stream", "poll"])
async def test_wait_that_the_api_server_names_is_kept(max_streams: int, code: int) -> None:
    async with following(max_streams=max_streams) as one:
        fault = one.api.fault("GET .*/log", answer(code, "{}", {"Retry-After": "40"}))
        one.follow(0)
        await asyncio.wait_for(fault.met.wait(), 20)
        await asyncio.sleep(38)
        assert fault.count == 1
        await until(lambda: fault.count == 2, within_s=10)
