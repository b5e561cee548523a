"""The operator on an event loop that measures itself: the longest turn of it is written to the file in LONGEST_TURN.

A turn counts by its processor time: what other processes do does not count.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from mediaimport_operator.__main__ import main

_FIRST = 5
"""Turns in which the process opens its API clients: TLS alone takes 60 ms, and nobody waits."""


class TimedLoop(asyncio.SelectorEventLoop):
    """An event loop that knows its longest turn."""

    turns = 0
    longest_s = 0.0

    def _run_once(self) -> None:
        begun_s = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        took_s = time.thread_time() - begun_s
        self.turns += 1
        if self.turns > _FIRST and took_s > self.longest_s:
            self.longest_s = took_s
            Path(os.environ["LONGEST_TURN"]).write_text(str(took_s))


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return TimedLoop()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(_Policy())
    sys.exit(main())
