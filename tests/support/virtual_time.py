"""An event loop whose clock runs sixty times as fast while it waits, and stands still while it works."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectors import SelectorKey

_IO_S = 0.002
_MAX_JUMP_S = 0.125
"""Bytes on loopback get `_IO_S` to arrive before each jump: at most so fast does the clock run."""


class _JumpingSelector(selectors.DefaultSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(min(timeout, _IO_S))
        if not ready:
            self.now_s += min(timeout, _MAX_JUMP_S)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Minutes of timeouts pass in a second; sockets of the same process work as ever, threads do not.

    However slow a busy machine is, no time passes while a callback runs.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s
