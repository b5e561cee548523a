"""Server of the prober's socket: one process for each connection, so that none can disturb another."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_prober.framing import receive_exactly
from mediaimport_prober.protocol import Failure, ProtocolError, Response, SilentPeerError, encode, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_prober.protocol import Request
    from mediaimport_prober.tools import Tools

MAX_CHILDREN = 4
REQUEST_S = 10.0


class Server:
    """A Unix socket, served until the process ends."""

    def __init__(self, path: Path, tools: Tools, *, prepare: Callable[[], None] = lambda: None) -> None:
        """Bind the socket. `prepare` runs in each child before it reads the request, to restrict the child."""
        self._tools = tools
        self._prepare = prepare
        self._children: set[int] = set()
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        # The importer has another uid; only this pod has the directory.
        path.chmod(0o666)
        self._socket.listen(16)

    def serve(self) -> None:
        """Accept connections for ever."""
        while True:
            connection, _ = self._socket.accept()
            self._reap(wait=len(self._children) >= MAX_CHILDREN)
            child = os.fork()
            if child == 0:
                self._serve_and_exit(connection)
            connection.close()
            self._children.add(child)

    def _reap(self, *, wait: bool) -> None:
        """Reap the children that have ended; `wait`: for at least one."""
        while self._children:
            ended, _ = os.waitpid(-1, 0 if wait else os.WNOHANG)
            if ended == 0:
                return
            self._children.discard(ended)
            wait = False

    def _serve_and_exit(self, connection: socket.socket) -> None:
        code = 1
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._socket.close()
            _be_killed_first()
            answer(connection, self._tools, prepare=self._prepare)
            code = 0
        os._exit(code)


def _be_killed_first() -> None:
    """Let the kernel choose the child or its tool, if the container runs out of memory, and not the server."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def answer(connection: socket.socket, tools: Tools, *, prepare: Callable[[], None] = lambda: None) -> None:
    """Read one request and write its response: without one, the importer takes the prober for killed."""
    connection.settimeout(REQUEST_S)
    deadline = time.monotonic() + REQUEST_S
    with connection:
        try:
            prepare()
            response, payload = tools.answer(_received(connection, deadline))
        except SilentPeerError:
            response, payload = Response(failure=Failure.NO_TIME, message="the request did not arrive in time"), b""
        except ProtocolError as error:
            response, payload = Response(failure=Failure.BAD_REQUEST, message=str(error)[:512]), b""
        except Exception as error:  # noqa: BLE001 - the one place where a bug becomes a response
            response, payload = Response(failure=Failure.PROBER_FAILED, message=type(error).__name__), b""
        connection.sendall(encode(response, payload))


def _received(connection: socket.socket, deadline: float) -> Request:
    try:
        return read_request(lambda size: receive_exactly(connection, size, deadline=deadline))
    except OSError as error:
        raise ProtocolError(str(error)) from error
