"""Reading from a socket whose other side may be slow, silent or lying."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mediaimport_prober.protocol import ProtocolError

if TYPE_CHECKING:
    import socket


def receive_exactly(connection: socket.socket, size: int, *, deadline: float) -> bytes:
    """Return that many bytes; ProtocolError if the other side ends before, or takes longer than the deadline."""
    received = bytearray()
    while len(received) < size:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise ProtocolError("the other side took too long")
        connection.settimeout(left_s)
        try:
            part = connection.recv(min(size - len(received), 1024 * 1024))
        except TimeoutError as error:
            raise ProtocolError("the other side took too long") from error
        if not part:
            raise ProtocolError("the other side ended before its message did")
        received += part
    return bytes(received)
