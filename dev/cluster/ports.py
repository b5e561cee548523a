"""Reserved TCP ports, for servers that cannot choose one themselves and say which.

A port that was free when somebody asked can be taken a moment later: by another server, or by any connection, since
the kernel gives both such a port. These lie below the kernel's range, and each is locked by the process that has it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

# Below 32768, where Linux begins with ports for connections, and 49152, where macOS does.
PORTS = range(20_000, 32_000)
TRIES = 1000


def reserve(among: range = PORTS, *, host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens, for this process until it ends."""
    for _ in range(TRIES):
        port = secrets.choice(among)
        if _locked(port) and not _used(host, port):
            return port
    raise RuntimeError(f"no port from {among.start} to {among.stop - 1} is free: end some of the servers on them")


def _locked(port: int) -> bool:
    """Lock the port's file; the kernel unlocks it when this process ends, however it ends."""
    folder = Path(tempfile.gettempdir(), f"mediaimport-ports-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    return True


def _used(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
