"""Longest turn of an event loop, for programs that a benchmark runs: a task writes it to the file in LONGEST_TURN.

A turn counts by its processor time: what other processes do does not count. It counts as up to _PERIOD_S longer.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VARIABLE = "LONGEST_TURN"
_PERIOD_S = 0.02
_FIRST_S = 0.5
"""The time in which a process opens its clients: TLS alone takes 60 ms, and nobody waits."""


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Note the longest turn of the event loop from some moments on, until the end."""
    watch = asyncio.create_task(_watch())
    try:
        yield
    finally:
        watch.cancel()


def longest_ms(file: Path) -> float:
    """Return the most processor time that a turn took, and nobody else had it."""
    return float(file.read_text()) * 1000


async def _watch() -> None:
    await asyncio.sleep(_FIRST_S)
    longest_s, last_s = 0.0, time.thread_time()
    while True:
        await asyncio.sleep(_PERIOD_S)
        now_s = time.thread_time()
        if now_s - last_s > longest_s:
            longest_s = now_s - last_s
            Path(os.environ[VARIABLE]).write_text(str(longest_s))  # noqa: ASYNC240 - a few bytes of a benchmark
        last_s = now_s
