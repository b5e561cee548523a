"""An event loop whose clock runs sixty times as fast while it waits, and stands still while it works."""

from __future__ import annotations

import asyncio
import selectors
import socket
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from selectors import SelectorKey

_Result = TypeVar("_Result")
_IO_S = 0.002
_MAX_JUMP_S = 0.125
"""Bytes on loopback get `_IO_S` to arrive before each jump: at most so fast does the clock run."""


class _Loopback:
    """A connection over which a byte goes before each jump: a busy kernel delivers what was sent before it no later."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._near = socket.create_connection(server.getsockname())
            self._far, _ = server.accept()
        self._near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def drain(self) -> None:
        """Return when the byte has come."""
        self._near.sendall(b"x")
        self._far.recv(1)

    def close(self) -> None:
        self._near.close()
        self._far.close()


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._loopback = _Loopback()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(min(timeout, _IO_S))
        if not ready:
            self._loopback.drain()
            ready = super().select(0)
        if not ready:
            self.now_s += min(timeout, _MAX_JUMP_S)
        return ready

    def close(self) -> None:
        self._loopback.close()
        super().close()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Minutes of timeouts pass in a second; sockets of the same process work as ever, threads do not.

    However slow a busy machine is, no time passes while a callback runs.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def in_virtual_time(work: Coroutine[None, None, _Result]) -> _Result:
    """Run to the end what `asyncio.run` would run in real time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
