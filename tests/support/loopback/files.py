"""A plain, fast file server over TLS: what a CDN does, without its surprises."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.support.loopback.threads import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.loopback.certificate import Certificate


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the base class's own signature
        """Say nothing: a benchmark's output is its table."""

    def copyfile(self, source: Any, outputfile: Any) -> None:  # noqa: ANN401 - the base class's own signature
        """Send in pieces of 1 MiB: the default of 64 KiB costs more CPU than the importer."""
        while chunk := source.read(1 << 20):
            outputfile.write(chunk)


@contextmanager
def running_files(folder: Path, *, certificate: Certificate) -> Iterator[int]:
    """Serve the folder over https on 127.0.0.1; yields the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.socket = certificate.server_context().wrap_socket(server.socket, server_side=True)
    with running(server) as port:
        yield port
