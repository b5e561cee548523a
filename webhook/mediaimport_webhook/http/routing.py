"""One path, an endpoint for each method; any other method is 405 and told what there is."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Methods:
    """ASGI application. Starlette's own routes of one path do not know of one another's methods."""

    endpoints: Mapping[str, Endpoint]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the method's endpoint answer; HTTPException 405."""
        method = scope["method"]
        endpoint = self.endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(self.allowed)})
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    @property
    def allowed(self) -> list[str]:
        """Return the methods that are answered."""
        return [*self.endpoints, *(["HEAD"] if "GET" in self.endpoints else [])]


def at(path: str, **endpoints: Endpoint) -> Route:
    """Return the route of a path: `at("/a", GET=read, POST=write)`."""
    return Route(path, Methods(endpoints))
