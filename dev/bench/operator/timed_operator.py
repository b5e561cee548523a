"""The operator with a task that measures its event loop: the longest turn is written to the file in LONGEST_TURN.

A turn counts by its processor time: what other processes do does not count. It counts as up to _PERIOD_S longer.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_operator import __main__ as program
from mediaimport_operator.run.operator import run

if TYPE_CHECKING:
    from mediaimport_operator.settings.operator import Settings

_PERIOD_S = 0.02
_FIRST_S = 0.5
"""The time in which the process opens its API clients: TLS alone takes 60 ms, and nobody waits."""


async def watched(settings: Settings) -> None:
    """Run the operator, and note its longest turn."""
    watch = asyncio.create_task(_watch())
    try:
        await run(settings)
    finally:
        watch.cancel()


async def _watch() -> None:
    await asyncio.sleep(_FIRST_S)
    longest_s, last_s = 0.0, time.thread_time()
    while True:
        await asyncio.sleep(_PERIOD_S)
        now_s = time.thread_time()
        if now_s - last_s > longest_s:
            longest_s = now_s - last_s
            Path(os.environ["LONGEST_TURN"]).write_text(str(longest_s))  # noqa: ASYNC240 - a few bytes of a benchmark
        last_s = now_s


if __name__ == "__main__":
    program.run = watched  # type: ignore[attr-defined]
    sys.exit(program.main())
