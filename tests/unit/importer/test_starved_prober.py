"""Nodes that leave the prober no time: the file is asked about again with more of it, and then kept as it came."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.status import MediaWarning
from mediaimport_importer.errors import StarvedProberError
from mediaimport_importer.prober import Prober
from mediaimport_prober.protocol import Failure, ProbeRequest, Request, Response, ThumbnailRequest

from tests.support.import_runner import Imports
from tests.support.played_prober import played_prober

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources

REQUEST = ProbeRequest(file="file")
STARVED = Response(failure=Failure.NO_TIME, message="the node gave the tool no more than 0.1 s")


class Asked:
    """A prober whose node is busy for some requests; it keeps them."""

    def __init__(self, busy: float) -> None:
        self.busy = busy
        self.requests: list[Request] = []

    def answer(self, request: Request) -> tuple[Response, bytes]:
        self.requests.append(request)
        return (STARVED if len(self.requests) <= self.busy else Response(document={})), b""


def test_request_that_the_node_had_no_time_for_is_made_again_with_more_patience(tmp_path: Path) -> None:
    asked = Asked(busy=2)
    with played_prober(tmp_path / "s", asked.answer) as path:
        response, _ = Prober(path).ask(REQUEST)

    assert response.failure is None
    assert [each.patience for each in asked.requests] == [1, 2, 4]


def test_prober_whose_node_stays_busy_is_given_up(tmp_path: Path) -> None:
    asked = Asked(busy=math.inf)
    with played_prober(tmp_path / "s", asked.answer) as path, pytest.raises(StarvedProberError):
        Prober(path).ask(REQUEST)

    assert len(asked.requests) == 3


def test_try_that_could_outlast_the_attempt_is_not_made(tmp_path: Path) -> None:
    asked = Asked(busy=math.inf)
    with played_prober(tmp_path / "s", asked.answer) as path, pytest.raises(StarvedProberError):
        Prober(path, deadline_s=time.monotonic() + 100, answer_s=75).ask(REQUEST)

    assert [each.patience for each in asked.requests] == [1]


@pytest.fixture
def imports(stores: Callable[[str], Store], sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    return Imports(stores("versitygw"), sources, prober, tmp_path)


@pytest.mark.trap(
    "a node that leaves the prober no time", "mp4", "asked again with more time, then stored without description"
)
def test_media_that_the_node_has_no_time_for_is_kept(imports: Imports, studio: Studio, tmp_path: Path) -> None:
    file = studio.video()
    task = imports.task(imports.sources.file(file), deadline_seconds=1800)
    asked = Asked(busy=math.inf)

    with played_prober(tmp_path / "busy.sock", asked.answer) as path:
        result = imports.run(task, PROBER_SOCKET=str(path))

    assert result.reason is Reason.IMPORTED, result
    assert result.media is not None
    assert result.media.warnings == [MediaWarning.DESCRIPTION_MISSING]
    assert result.thumbnail is not None
    assert result.thumbnail.reason is Reason.THUMBNAIL_FAILED
    assert "prober.resources.requests.cpu" in result.message
    assert imports.stored(task)["video.mp4"] == file.stat().st_size
    assert imports.left_over() == []


def test_node_that_is_busy_for_a_while_costs_no_description(
    imports: Imports, studio: Studio, tmp_path: Path, prober: RunningProber
) -> None:
    task = imports.task(imports.sources.file(studio.video()), deadline_seconds=1800)
    begun: set[type[Request]] = set()

    def answer(request: Request) -> tuple[Response, bytes]:
        if type(request) in begun:
            return prober.client.ask(request)
        begun.add(type(request))
        return STARVED, b""

    with played_prober(tmp_path / "busy.sock", answer) as path:
        result = imports.run(task, PROBER_SOCKET=str(path))

    assert ProbeRequest in begun
    assert ThumbnailRequest in begun
    assert result.reason is Reason.IMPORTED, result
    assert result.media is not None
    assert (result.media.warnings, result.media.width) == (None, 320)
    assert result.thumbnail is not None
    assert result.thumbnail.reason is Reason.THUMBNAIL_STORED
