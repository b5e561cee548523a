"""Store of thumbnails for a benchmark, on loopback, with a page that shows many of them and nothing else."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "/pictures.html"
_PICTURES = 900
_AGE = timedelta(days=1)
_STYLE = """
body { display: grid; grid-template-columns: repeat(6, 1fr); gap: 12px; margin: 16px; background: #fff; }
img { display: block; width: 100%; aspect-ratio: 16 / 9; margin-bottom: 62px; border-radius: 8px; }
"""


def picture() -> bytes:
    """Return a thumbnail as the importer makes them."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180", "-frames:v", "1"]
    return subprocess.run([*command, "-f", "mjpeg", "-"], capture_output=True, check=True).stdout


def page() -> bytes:
    """Return the page; its cells are as large as those of the gallery."""
    images = "".join(f'<img src="/{number}.jpg" decoding="async" alt="">' for number in range(_PICTURES))
    return f"<!doctype html><title>Pictures</title><style>{_STYLE}</style>{images}".encode()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a browser ends connections as it likes."""


@contextmanager
def running_store() -> Iterator[str]:
    """Serve the page, and the picture under every other path; yield the URL."""
    changed = format_datetime(datetime.now(UTC) - _AGE, usegmt=True)
    jpeg, html = picture(), page()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, content = ("text/html", html) if self.path == PAGE else ("image/jpeg", jpeg)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            # As every store of S3 does: a browser keeps it for some time.
            self.send_header("Last-Modified", changed)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class has it
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
