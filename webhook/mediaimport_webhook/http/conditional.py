"""Conditional requests: an ETag on each answer, and 304 for one that the caller has. RFC 9110, section 13."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic_core import to_json
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_CACHE_CONTROL = "private, no-cache"
"""A browser asks each time whether its copy is current; a shared cache keeps none."""


def tagged(request: Request, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response of any JSON value; 304 without it if If-None-Match names it."""
    body = to_json(content)
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    own = {**(headers or {}), "ETag": tag, "Cache-Control": _CACHE_CONTROL}
    if _names(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=own)
    return Response(body, headers=own, media_type="application/json")


def is_conditional(request: Request) -> bool:
    """Return whether the caller has a copy."""
    return "if-none-match" in request.headers


def _names(conditions: list[str], tag: str) -> bool:
    """Return whether a tag is among those of the header, weak ones included."""
    tags = {each.strip().removeprefix("W/") for line in conditions for each in line.split(",")}
    return "*" in tags or tag in tags
