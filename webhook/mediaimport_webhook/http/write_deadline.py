"""Deadline of a client that does not read: what waits for it must get less all the time."""

from __future__ import annotations

import fcntl
import struct
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_MIN_READ_BYTES = 16 * 1024
"""Bytes that a client reads within the time, if as many wait for it."""


class WriteDeadline:
    """Ends a connection whose client reads too little. It runs only while more waits than the kernel takes."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._transport = transport
        self._loop = loop
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, unless it runs."""
        if self._timer is None and self._transport.get_write_buffer_size() > 0:
            self._timer = self._loop.call_later(self._timeout_s, self._check, self._waiting_bytes())

    def stop(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, before_bytes: int) -> None:
        self._timer = None
        if before_bytes - self._waiting_bytes() >= min(_MIN_READ_BYTES, before_bytes):
            self.start()
        else:
            self._transport.abort()

    def _waiting_bytes(self) -> int:
        """Return what the client has not acknowledged, also in the kernel, which takes from our buffer in bursts."""
        return self._transport.get_write_buffer_size() + _unacknowledged_bytes(self._transport)


def _unacknowledged_bytes(transport: asyncio.Transport) -> int:
    """Return SIOCOUTQ: https://man7.org/linux/man-pages/man7/tcp.7.html."""
    with suppress(OSError, AttributeError):
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", answer)[0])
    return 0
