"""A store that goes away once the media is downloaded: the media is kept, and its source is not asked again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_importer.errors import CredentialsExpiredError, RefusedError, UnavailableError
from mediaimport_importer.store.bucket import TRIES
from mediaimport_importer.upload import Upload

from tests.support.loopback.store_proxy import CutError, Request, proxied

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources

CUTS = TRIES + 2
"""More requests than the tries of one."""


class Outage:
    """A store that is away for some requests, from its first one that begins so."""

    def __init__(self, at: str, *, cuts: int = CUTS) -> None:
        self.at = at
        self.cuts = cuts
        self.cut: list[str] = []
        self.over = threading.Event()

    def __call__(self, request: Request) -> None:
        """Cut the request while the store is away."""
        if (self.cut or str(request).startswith(self.at)) and not self.over.is_set():
            self.cut.append(str(request))
            if len(self.cut) >= self.cuts:
                self.over.set()
            raise CutError


@pytest.mark.parametrize("at", ["GetObject", "PutObject video", "PutObject thumbnail", "PutObject asset"])
def test_store_that_is_away_for_some_seconds_costs_no_second_download(
    imports: Imports, sources: Sources, studio: Studio, at: str
) -> None:
    task = imports.task(sources.file(studio.video()))
    outage = Outage(at)
    with proxied(imports.store) as proxy:
        proxy.before = outage
        result = imports.run(task, **proxy.variables)

    assert outage.over.is_set()
    assert result.reason is Reason.IMPORTED, result
    assert set(imports.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert sum(task.spec.source.location.rpartition("/")[2] in request for request in sources.requests) == 1


def test_later_attempt_downloads_while_the_store_is_away(imports: Imports, sources: Sources, studio: Studio) -> None:
    """The source's URL expires; the store comes back."""
    task = imports.task(sources.file(studio.video()), attempt=2)
    outage = Outage("GetObject", cuts=2 * TRIES + 1)
    with proxied(imports.store) as proxy:
        proxy.before = outage
        result = imports.run(task, **proxy.variables)

    assert outage.over.is_set()
    assert result.reason is Reason.IMPORTED, result


class Clock:
    """A clock that sleeps at once."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept.append(seconds)


def upload(clock: Clock, said: list[str]) -> Upload:
    return Upload(
        lambda: pytest.fail("not asked"), deadline_s=100, on_wait=said.append, now=clock.now, sleep=clock.sleep
    )


def failing(error: Exception, *, times: int) -> Callable[[], str]:
    left = [error] * times

    def operation() -> str:
        if left:
            raise left.pop()
        return "done"

    return operation


def away() -> UnavailableError:
    return UnavailableError(Reason.STORE_UNAVAILABLE, "the store does not answer")


def test_waits_grow_and_say_what_for() -> None:
    clock, said = Clock(), list[str]()

    assert upload(clock, said).patiently(failing(away(), times=7)) == "done"

    assert clock.slept == [1, 2, 4, 8, 16, 30, 30]
    assert said[0] == "the store does not answer; the media is kept, the next try is in 1 s"


def test_no_wait_ends_after_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(UnavailableError):
        upload(clock, []).patiently(failing(away(), times=100))
    assert sum(clock.slept) < 100


@pytest.mark.parametrize(
    "error",
    [
        CredentialsExpiredError(Reason.STORE_UNAVAILABLE, "expired"),
        UnavailableError(Reason.CORRUPTED, "flipped"),
        RefusedError(Reason.STORE_DENIED, "no"),
    ],
)
def test_failure_that_waiting_does_not_cure_ends_the_attempt_at_once(error: Exception) -> None:
    clock = Clock()
    with pytest.raises(type(error)):
        upload(clock, []).patiently(failing(error, times=1))
    assert clock.slept == []
