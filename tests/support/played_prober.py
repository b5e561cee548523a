"""A prober's socket behind which a test answers."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from typing import TYPE_CHECKING

from mediaimport_prober.framing import receive_exactly
from mediaimport_prober.protocol import Request, Response, encode, read_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REQUEST_S = 10.0


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def played_prober(path: Path, answer: Callable[[Request], tuple[Response, bytes]]) -> Iterator[Path]:
    """Serve the prober's protocol at that path for as long as the block does."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            deadline = time.monotonic() + REQUEST_S
            request = read_request(lambda size: receive_exactly(self.request, size, deadline=deadline))
            response, payload = answer(request)
            self.request.sendall(encode(response, payload))

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()
