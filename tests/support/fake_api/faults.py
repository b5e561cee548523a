"""Faults of the fake API server: what it does instead of an answer, to which requests, and how often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping


class Act(Protocol):
    """Action instead of the answer; it returns None for the answer after all."""

    async def __call__(self, request: web.Request, /) -> web.StreamResponse | None: ...


@dataclass(eq=False)
class Fault:
    """A fault of the requests whose `METHOD /path?query` matches."""

    pattern: re.Pattern[str]
    act: Act
    times: int | None = None
    count: int = 0
    met: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request has met the fault."""

    def takes(self, request: web.Request) -> bool:
        if self.times is not None and self.count >= self.times:
            return False
        if self.pattern.search(f"{request.method} {request.path_qs}") is None:
            return False
        self.count += 1
        self.met.set()
        return True


def answer(code: int, body: str, headers: Mapping[str, str] | None = None) -> Act:
    """Answer that: a 500, or a proxy's page with 200."""

    async def act(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=body, content_type="text/html", headers=headers)

    return act


class Hang:
    """Never answer, until `end`; then answer after all if `late`, else break the connection off."""

    def __init__(self, *, late: bool = False) -> None:
        self._ended = asyncio.Event()
        self._late = late

    async def __call__(self, request: web.Request) -> web.StreamResponse | None:
        await self._ended.wait()
        return None if self._late else await cut(request)

    def end(self) -> None:
        self._ended.set()


async def cut(request: web.Request) -> web.StreamResponse | None:
    """Break the connection off."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
