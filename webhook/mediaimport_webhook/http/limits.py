"""Limits of what strangers can hold: requests, bytes of bodies, and the time that a body takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from mediaimport_webhook.http import problems
from mediaimport_webhook.http.held import Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_RETRY_AFTER_S = 2
_READ_AWAY_BYTES = 64 * 1024
"""A refused body of up to that many bytes is read and forgotten, so that its connection can be used again."""
_PROBES = frozenset({"/healthz", "/readyz"})
_UNCHECKED = "mediaimport.unchecked"
_BODY = "mediaimport.body"
_SLOWEST_BYTES_PER_S = 1024 * 1024
"""Of a body that is not held, beyond the time that any body has."""


def mark_unchecked(scope: Scope) -> None:
    """Note that it is not a request's fault that its credentials are not checked."""
    scope[_UNCHECKED] = True


def is_unchecked(scope: Scope) -> bool:
    """Return whether a request is refused without a look at its credentials."""
    return bool(scope.get(_UNCHECKED, False))


def let_go(scope: Scope, size_bytes: int) -> None:
    """Note that bytes of a request's body are not held any more: others may come, and have their time."""
    body = scope.get(_BODY)
    if isinstance(body, _Body):
        body.let_go(size_bytes)


@dataclass(frozen=True)
class Limits:
    """Limits of one process."""

    requests: int = 2000
    body_bytes: int = 32 * 1024 * 1024
    """Of what is held of all bodies under way together."""
    address_body_bytes: int = 16 * 1024 * 1024
    """Of the bodies that one address sends."""
    body_timeout_s: float = 10.0


class RequestLimits:
    """ASGI middleware: 503 beyond the limits, 408 for a body that takes too long. Probes are always answered."""

    def __init__(self, app: ASGIApp, limits: Limits, address_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._limits = limits
        self._address_of = address_of
        self._requests = 0
        self._body_bytes = 0
        self._address_body_bytes = Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within the limits."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
        elif self._requests >= self._limits.requests:
            mark_unchecked(scope)
            await overloaded("requests").response()(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._requests += 1
        try:
            if _has_body(scope):
                await self._with_body(scope, _Body(scope, receive, self, self._address_of(scope)), send)
            else:
                await self._app(scope, receive, send)
        finally:
            self._requests -= 1

    async def _with_body(self, scope: Scope, body: _Body, send: Send) -> None:
        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and body.is_much_left:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        scope[_BODY] = body
        try:
            await self._app(scope, body.receive, send_and_close)
        finally:
            del scope[_BODY]
            self.release(body.address, body.held_bytes)

    def hold(self, scope: Scope, address: str, size_bytes: int) -> None:
        """Count bytes of a body until its request ends; a 503 Problem beyond the limits."""
        self._body_bytes += size_bytes
        if self._address_body_bytes.take(address, size_bytes) > self._limits.address_body_bytes:
            raise overloaded("bodies of one address")
        if self._body_bytes > self._limits.body_bytes:
            mark_unchecked(scope)
            raise overloaded("bodies")

    def release(self, address: str, size_bytes: int) -> None:
        """Forget bytes of a body."""
        self._body_bytes -= size_bytes
        self._address_body_bytes.give_back(address, size_bytes)

    @property
    def body_timeout_s(self) -> float:
        """Return how long a body may take."""
        return self._limits.body_timeout_s


class _Body:
    """Body of one request."""

    def __init__(self, scope: Scope, receive: Receive, limits: RequestLimits, address: str) -> None:
        length = Headers(scope=scope).get("content-length", "")
        self.address = address
        self._scope = scope
        self.received_bytes = self.held_bytes = 0
        self._length = int(length) if length.isdecimal() else None
        self._receive = receive
        self._limits = limits
        self._is_complete = False
        self._deadline: float | None = None

    @property
    def is_much_left(self) -> bool:
        """Return whether more is to come than is worth reading."""
        if self._is_complete:
            return False
        return self._length is None or self._length - self.received_bytes > _READ_AWAY_BYTES

    async def receive(self) -> Message:
        """Return the next message; a 408 or 503 Problem if the body takes too long or too much."""
        if self._is_complete:
            return await self._receive()
        message = await self._next()
        if message["type"] == "http.request":
            size_bytes = len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
            self.received_bytes += size_bytes
            self.held_bytes += size_bytes
            self._limits.hold(self._scope, self.address, size_bytes)
        return message

    def let_go(self, size_bytes: int) -> None:
        """Give bytes back to the budget, and the time that as many more may take."""
        self.held_bytes -= size_bytes
        self._limits.release(self.address, size_bytes)
        if self._deadline is not None:
            self._deadline += size_bytes / _SLOWEST_BYTES_PER_S

    async def _next(self) -> Message:
        timeout_s = self._limits.body_timeout_s
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError:
            raise _too_slow(timeout_s) from None


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def overloaded(what: str) -> problems.Problem:
    """Return 503 for what there is too much of."""
    detail = f"This service has as many {what} under way as it can hold; try again."
    headers = {"Retry-After": str(_RETRY_AFTER_S), "Connection": "close"}
    return problems.Problem(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", detail, headers=headers)


def _too_slow(timeout_s: float) -> problems.Problem:
    detail = f"The body did not arrive within {timeout_s:g} s; send it again."
    return problems.Problem(HTTPStatus.REQUEST_TIMEOUT, "body-too-slow", detail, headers={"Connection": "close"})
