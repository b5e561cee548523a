"""Routes of the page and its files, which stay compressed on disk and are read at each request."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from mediaimport_webhook.http import problems, routing
from mediaimport_webhook.http.static import MEDIA_TYPES, compressed, file_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

_POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}


class Viewer:
    """The routes `docs` and `docs/{file}`. `folder` holds Swagger UI as `unpack` leaves it: each file compressed."""

    def __init__(self, folder: Path) -> None:
        self._own = compressed(Path(__file__).parent, "page.html", "page.js")
        self._vendored = {file.stem: file for file in folder.glob("*.gz") if Path(file.stem).suffix in MEDIA_TYPES}

    def routes(self) -> list[Route]:
        """Return the routes. The page links by relative paths, so a path prefix in front of it works."""
        return [routing.route("/docs", GET=self.page), routing.route("/docs/{file}", GET=self.file)]

    async def page(self, request: Request) -> Response:
        """Return the page; a 503 Problem without Swagger UI. Its links are relative, so it has only one spelling."""
        if request.url.path.endswith("/"):
            return RedirectResponse("../docs", HTTPStatus.PERMANENT_REDIRECT)
        if not self._vendored:
            raise problems.setting_missing("API_VIEWER_DIRECTORY")
        return file_response(request, "page.html", self._own["page.html"], _POLICY)

    async def file(self, request: Request) -> Response:
        """Return one of the page's files by name; no other file is ever read."""
        name = request.path_params["file"]
        if name in self._own:
            return file_response(request, name, self._own[name], _POLICY)
        if name not in self._vendored:
            raise problems.not_found("file")
        return file_response(request, name, self._vendored[name].read_bytes(), _POLICY)
