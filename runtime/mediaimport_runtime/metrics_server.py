"""The HTTP server of /metrics, on a port of its own."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

log = logging.getLogger(__name__)


@contextmanager
def serving_metrics(registry: CollectorRegistry, port: int, *, host: str = "0.0.0.0") -> Iterator[int]:  # noqa: S104 - a pod's own
    """Serve the registry from a thread of its own while the block runs, unless `port` is 0; give the port."""
    if port == 0:
        yield 0
        return
    server, thread = start_http_server(port, addr=host, registry=registry)
    log.info("metrics are served", extra={"port": server.server_port})
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
