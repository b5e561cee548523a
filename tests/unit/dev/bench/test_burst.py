from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from dev.bench.webhook import burst
from dev.bench.webhook.burst import Burst

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Answer:
    def __init__(self, status: int) -> None:
        self.ok = status < 400

    async def read(self) -> bytes:
        return b""


class Session:
    """Answers with one status after the other; None breaks the connection."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)

    @asynccontextmanager
    async def post(self, *_: object, **__: object) -> AsyncIterator[Answer]:
        status = self.statuses.pop(0)
        if status is None:
            raise aiohttp.ClientConnectionError
        yield Answer(status)


def sent(session: Any, *, waits_s: tuple[float, ...]) -> tuple[float, int]:  # noqa: ANN401 - a fake session
    return asyncio.run(burst.send(session, "http://webhook", "prediction", waits_s=waits_s))


def test_callback_is_timed_from_its_first_try() -> None:
    accepted_s, retries = sent(Session(503, None, 200), waits_s=(0.1, 0.2))
    assert retries == 2
    assert accepted_s >= 0.3


def test_callback_that_is_accepted_at_once_has_no_retries() -> None:
    accepted_s, retries = sent(Session(200), waits_s=(5,))
    assert (retries, accepted_s < 1) == (0, True)


def test_callback_that_is_never_accepted_is_an_error() -> None:
    with pytest.raises(TimeoutError, match="prediction was never accepted"):
        sent(Session(503, 503), waits_s=(0.01,))


def test_every_burst_has_the_same_rows() -> None:
    rows = Burst([1.0, 3.0], retries=5, duration_s=4.0).figures("2 at once")
    assert [(each.figure, each.value) for each in rows] == [
        ("2 at once: first try to accepted, p50", 1.0),
        ("2 at once: first try to accepted, p99", 3.0),
        ("2 at once: retries", 5),
        ("2 at once: until all were accepted", 4.0),
    ]
