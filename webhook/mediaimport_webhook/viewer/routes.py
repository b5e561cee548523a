"""The page and its files. They are read, compressed, when they are asked for: nobody does so often."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from mediaimport_webhook.http.problems import not_found, setting_missing
from mediaimport_webhook.http.routing import at

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

_KINDS = {".css": "text/css", ".js": "text/javascript", ".html": "text/html", ".png": "image/png"}
_OWN = Path(__file__).parent
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=3600",
    "Vary": "Accept-Encoding",
}


class Viewer:
    """The routes `docs` and `docs/{file}`. `folder` holds Swagger UI as `unpack` leaves it: each file compressed."""

    def __init__(self, folder: Path) -> None:
        self._own = {name: gzip.compress((_OWN / name).read_bytes(), mtime=0) for name in ("page.html", "page.js")}
        self._brought = {file.stem: file for file in folder.glob("*.gz") if Path(file.stem).suffix in _KINDS}

    def routes(self) -> list[Route]:
        """Return them; their paths are relative on the page, so that a prefix before them does no harm."""
        return [at("/docs", GET=self.page), at("/docs/{file}", GET=self.file)]

    async def page(self, request: Request) -> Response:
        """Answer the page; 503 where Swagger UI is not installed."""
        if not self._brought:
            raise setting_missing("API_VIEWER_DIRECTORY")
        return _answer(request, "page.html", self._own["page.html"])

    async def file(self, request: Request) -> Response:
        """Answer one of the files that the page asks for, by name; nothing else is ever read."""
        name = request.path_params["file"]
        if name in self._own:
            return _answer(request, name, self._own[name])
        if name not in self._brought:
            raise not_found("file")
        return _answer(request, name, self._brought[name].read_bytes())


def _answer(request: Request, name: str, compressed: bytes) -> Response:
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    encoding = {"Content-Encoding": "gzip"} if takes_gzip else {}
    body = compressed if takes_gzip else gzip.decompress(compressed)
    kind = _KINDS[Path(name).suffix]
    return Response(body, HTTPStatus.OK, _HEADERS | encoding, media_type=kind)
