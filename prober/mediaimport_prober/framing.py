"""Reads from a socket whose peer may be slow, silent or hostile. Apart from `protocol`, which does no I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mediaimport_prober.protocol import PeerClosedError, SilentPeerError

if TYPE_CHECKING:
    import socket


def receive_exactly(connection: socket.socket, size: int, *, deadline: float) -> bytes:
    """Return exactly `size` bytes; PeerClosedError if the peer closes before, SilentPeerError at the deadline."""
    received = bytearray()
    while len(received) < size:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise SilentPeerError("the peer took too long")
        connection.settimeout(left_s)
        try:
            part = connection.recv(min(size - len(received), 1024 * 1024))
        except TimeoutError as error:
            raise SilentPeerError("the peer took too long") from error
        if not part:
            raise PeerClosedError("the peer closed the connection within a message")
        received += part
    return bytes(received)
