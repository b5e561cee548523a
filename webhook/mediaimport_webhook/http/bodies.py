"""Request bodies: bounded, JSON in the strict sense, checked field by field."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from mediaimport_webhook.http.problems import Problem, field_errors, invalid

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY_BYTES = 1024 * 1024
MAX_WEBHOOK_BYTES = 5 * 1024 * 1024

_B = TypeVar("_B", bound=BaseModel)


async def read(request: Request, *, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body; a 413 Problem as soon as it is known to be too long."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object; a 400 Problem for anything that is not one."""
    try:
        content = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise _not_json("The body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise _not_json("The body must be a JSON object.")
    return content


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body's JSON object; a 413 Problem, or 400 also for what other readers of JSON would not take."""
    content = parse_object(await read(request))
    try:
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        detail = "The body has a number or a text that JSON cannot carry: NaN, Infinity or half a character."
        raise _not_json(detail) from None
    return content


async def read_as(request: Request, kind: type[_B]) -> _B:
    """Return the body as that type; 413, 400 and 422 Problems."""
    content = await read_object(request)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise invalid(field_errors(error)) from None


def _not_json(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "invalid-json", detail)


def _too_large(limit_bytes: int) -> Problem:
    detail = f"The body is longer than {limit_bytes} bytes."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail, headers={"Connection": "close"})
