"""JSON bodies: of requests, bounded and checked field by field; of responses."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from mediaimport_webhook.http import problems
from mediaimport_webhook.http.limits import let_go

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Scope

MAX_BODY_BYTES = 1024 * 1024
MAX_CALLBACK_BYTES = 5 * 1024 * 1024
"""Of a callback that is held. A prediction's logs are part of it."""

_B = TypeVar("_B", bound=BaseModel)


@dataclass
class LongBody:
    """Body that is longer than what is held of one. Its pieces can be read once."""

    scope: Scope
    length_bytes: int
    """As far as it is known: that of the header, or what has come."""
    _stream: AsyncIterator[bytes] = field(repr=False)
    _start: deque[bytes] = field(default_factory=deque, repr=False)
    """Pieces that have come already."""

    async def pieces(self, *, limit_bytes: int) -> AsyncIterator[bytes]:
        """Yield the pieces, each of which is held only until the next; a 413 Problem if they are too many."""
        if self.length_bytes > limit_bytes:
            raise too_large(limit_bytes)
        size_bytes = 0
        async for piece in self._all():
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise too_large(limit_bytes)
            yield piece
            let_go(self.scope, len(piece))

    async def _all(self) -> AsyncIterator[bytes]:
        while self._start:
            yield self._start.popleft()
            await asyncio.sleep(0)
        async for piece in self._stream:
            yield piece


async def read_or_pass(request: Request, *, limit_bytes: int) -> bytes | LongBody:
    """Return the body, held only if it is not longer than the limit."""
    content_length, stream = request.headers.get("content-length", ""), request.stream()
    if content_length.isdecimal() and int(content_length) > limit_bytes:
        return LongBody(request.scope, int(content_length), stream)
    start: deque[bytes] = deque()
    size_bytes = 0
    async for piece in stream:
        start.append(piece)
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            return LongBody(request.scope, size_bytes, stream, start)
    return b"".join(start)


async def read_body(request: Request, *, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body; a 413 Problem as soon as it is known to be too long."""
    body = await read_or_pass(request, limit_bytes=limit_bytes)
    if isinstance(body, LongBody):
        raise too_large(limit_bytes)
    return body


def _integer(text: str) -> float:
    """Return the number, which is infinite if it has more digits than Python reads: RFC 8259 does not limit them."""
    try:
        return int(text)
    except ValueError:
        return float(text)


class TooDeepError(ValueError):
    """JSON is nested deeper than the parser goes."""


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value, of a request or of an answer to us; ValueError, TooDeepError."""
    try:
        return json.loads(body.decode(), parse_int=_integer)
    except RecursionError:
        raise TooDeepError("is nested too deep") from None


def as_object(parse: Callable[[], Any]) -> dict[str, Any]:
    """Return the JSON object that is parsed; a 400 Problem for anything else."""
    try:
        content = parse()
    except ValueError:
        raise _invalid_json("The body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise _invalid_json("The body must be a JSON object.")
    return content


async def read_json_object(request: Request) -> dict[str, Any]:
    """Return the body's JSON object; a 413 Problem, or 400 also for values that only Python takes for JSON."""
    body = await read_body(request)
    content = as_object(lambda: parse_json(body))
    try:
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        detail = (
            "The body has a number or a text that JSON cannot carry:"
            " NaN, Infinity, thousands of digits or half a character."
        )
        raise _invalid_json(detail) from None
    return content


async def read_model(request: Request, kind: type[_B]) -> _B:
    """Return the body as that type; 413, 400 and 422 Problems."""
    content = await read_json_object(request)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise problems.invalid(problems.field_errors(error)) from None


def encoded(content: object) -> bytes:
    """Return a response's JSON value as text."""
    try:
        return orjson.dumps(content)
    except TypeError:
        # pydantic, in ten times the time, writes what orjson refuses: integers of more than 64 bits, models.
        return to_json(content)


class JsonResponse(Response):
    """Response of any JSON value."""

    media_type = "application/json"

    def __init__(
        self,
        content: object,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(encoded(content), int(status), headers)


def _invalid_json(detail: str) -> problems.Problem:
    return problems.Problem(HTTPStatus.BAD_REQUEST, "invalid-json", detail)


def too_large(limit_bytes: int) -> problems.Problem:
    """Return 413."""
    detail = f"The body is longer than {limit_bytes} bytes."
    return problems.Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail, headers={"Connection": "close"}
    )
