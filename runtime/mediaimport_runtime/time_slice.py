"""Time slices of long work on an event loop: ten thousand objects must not hold up a renewal or a probe."""

from __future__ import annotations

import asyncio
import time

SLICE_S = 0.005
"""Several pieces of long work may each take one in the same turn of the loop."""


class TimeSlice:
    """The time for which its owners have run without a pause.

    Several tasks may own one: of those that pause, one runs on in the next turn, and the others pause again.
    """

    def __init__(self) -> None:
        self._until_s = time.monotonic() + SLICE_S

    async def pause_when_over(self) -> None:
        """Let other tasks run if the slice is over; call this after each piece of work."""
        while time.monotonic() >= (until_s := self._until_s):
            await asyncio.sleep(0)
            if self._until_s == until_s:
                self._until_s = time.monotonic() + SLICE_S
                return
