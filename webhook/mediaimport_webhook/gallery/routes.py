"""Routes of the page and its files."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from mediaimport_webhook.http import bodies, problems, routing
from mediaimport_webhook.http.static import compressed, file_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import Route

    from mediaimport_webhook.gallery.sign_in import SignIn
    from mediaimport_webhook.store import UrlSigner

_FOLDER = Path(__file__).parent
_SUFFIXES = frozenset({".css", ".html", ".js", ".svg"})
_ANY_KEY = "media/"
"""A key whose URL is signed for its origin alone."""


class Gallery:
    """The routes `gallery` and below. Media come from the store, by presigned URLs, and go there."""

    def __init__(self, signer: UrlSigner, sign_in: SignIn | None = None) -> None:
        self._signer = signer
        self._sign_in = sign_in
        self._files = compressed(_FOLDER, *(file.name for file in _FOLDER.iterdir() if file.suffix in _SUFFIXES))

    def routes(self) -> list[Route]:
        """Return the routes. The page links by relative paths, so a path prefix in front of it works."""
        return [
            routing.route("/gallery", GET=self.page),
            routing.route("/gallery/config.json", GET=self.config),
            routing.route("/gallery/{file}", GET=self.file),
        ]

    async def page(self, request: Request) -> Response:
        """Return the page; StoreUnavailableError. Its links are relative, so it has only one spelling."""
        if request.url.path.endswith("/"):
            return RedirectResponse("../gallery", HTTPStatus.PERMANENT_REDIRECT)
        url = urlsplit((await self._signer.url(_ANY_KEY)).url)
        issuer = [] if self._sign_in is None else await self._sign_in.origins()
        policy = _policy(f"{url.scheme}://{url.netloc}", issuer)
        return file_response(request, "page.html", self._files["page.html"], policy)

    async def config(self, _: Request) -> Response:
        """Return how the page's users sign in: at the issuer `oidc`, or null for a pasted token."""
        oidc = None if self._sign_in is None else await self._sign_in.config()
        return bodies.JsonResponse({"oidc": oidc})

    async def file(self, request: Request) -> Response:
        """Return one of the page's files by name; no other file is ever read."""
        name = request.path_params["file"]
        if name not in self._files:
            raise problems.not_found("file")
        return file_response(request, name, self._files[name], {"Content-Security-Policy": "default-src 'none'"})


def _policy(store: str, others: Sequence[str]) -> dict[str, str]:
    """Return the page's Content-Security-Policy: scripts from here alone, media from the store, no text as markup.

    Requests also go to the `others`: the issuer's token endpoint.
    """
    directives = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' {store}",
        f"media-src {store}",
        " ".join(("connect-src 'self'", store, *others)),
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return {"Content-Security-Policy": "; ".join(directives)}
