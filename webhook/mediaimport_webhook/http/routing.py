"""Routing of one path to an endpoint for each method; any other method is 405 and `Allow` names the methods.

A path with and without a slash at its end is the same path: a redirect would name the scheme behind the TLS proxy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class MethodRouter:
    """ASGI application of one path. Two routes of Starlette with one path do not know each other's methods."""

    endpoints: Mapping[str, Endpoint]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the method's endpoint; HTTPException 405."""
        method = scope["method"]
        endpoint = self.endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(self.allowed)})
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    @property
    def allowed(self) -> list[str]:
        """Return the methods of the path."""
        return [*self.endpoints, *(["HEAD"] if "GET" in self.endpoints else [])]


_NO_MATCH: tuple[Match, dict[str, object]] = Match.NONE, {}


class _TextRoute(Route):
    """Route whose parameters are all text, and whose application has no root path: it is found in half the time.

    Starlette asks the routes one after the other.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope.get("root_path"):
            return super().matches(scope)
        found = self.path_regex.match(scope["path"])
        if found is None:
            return _NO_MATCH
        return Match.FULL, {"endpoint": self.endpoint, "path_params": found.groupdict()}


def route(path: str, **endpoints: Endpoint) -> Route:
    """Return the route of a path, in both spellings: `route("/a", GET=read, POST=write)`."""
    found = _TextRoute(path, MethodRouter(endpoints))
    found.path_regex = re.compile(found.path_regex.pattern.removesuffix("$").removesuffix("/") + "/?$")
    return found
