"""Files of pages, which are kept compressed and sent so to who takes that."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""The kinds of files that a page has, by suffix."""

_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=3600",
    "Vary": "Accept-Encoding",
}


def compressed(folder: Path, *names: str) -> dict[str, bytes]:
    """Return these files of a folder, each compressed by gzip, by name."""
    return {name: gzip.compress((folder / name).read_bytes(), mtime=0) for name in names}


def file_response(request: Request, name: str, content: bytes, headers: Mapping[str, str]) -> Response:
    """Return the response with a file, whose content is compressed by gzip, under its page's policy."""
    accepts_gzip = "gzip" in request.headers.get("accept-encoding", "")
    encoding = {"Content-Encoding": "gzip"} if accepts_gzip else {}
    body = content if accepts_gzip else gzip.decompress(content)
    return Response(body, HTTPStatus.OK, {**_HEADERS, **headers, **encoding}, media_type=MEDIA_TYPES[Path(name).suffix])
