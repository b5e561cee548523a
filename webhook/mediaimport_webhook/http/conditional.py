"""Conditional requests: an ETag on each answer, and 304 for one that the caller has. RFC 9110, section 13.

The tag of one asset has two parts: what If-Match looks at, which only an edit changes, and all else, such as presigned
URLs and progress. Two replicas sign two URLs, and still agree on the first part.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from mediaimport_webhook.http.bodies import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_MEDIA_TYPE = "application/json"
_CACHE_CONTROL = "private, no-cache"
"""A browser asks each time whether its copy is current; a shared cache keeps none."""


def tagged(
    request: Request, content: object, headers: Mapping[str, str] | None = None, *, state: bytes | None = None
) -> Response:
    """Return a response of any JSON value; 304 without it if If-None-Match names it.

    `state` is what If-Match looks at.
    """
    body = encoded(content)
    return _unless_known(request, body, _tag_headers(_tag(body, state), headers))


def tagged_text(request: Request, body: bytes, headers: Mapping[str, str] | None = None, *, told: bytes) -> Response:
    """Return a response of JSON text, likewise.

    `told` differs where the body does: it is shorter, and the tag is made of it.
    """
    return _unless_known(request, body, _tag_headers(_hex(told), headers))


def with_tag(content: object, headers: Mapping[str, str] | None = None, *, state: bytes | None = None) -> Response:
    """Return a response of any JSON value with its ETag."""
    body = encoded(content)
    return Response(body, headers=_tag_headers(_tag(body, state), headers), media_type=_MEDIA_TYPE)


def _unless_known(request: Request, body: bytes, headers: Mapping[str, str]) -> Response:
    if is_conditional(request) and _names(request.headers.getlist("if-none-match"), headers["ETag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type=_MEDIA_TYPE)


def _tag(body: bytes, state: bytes | None) -> str:
    return _hex(body) if state is None else f"{_hex(state)}.{_hex(body)}"


def _tag_headers(tag: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {**(headers or {}), "ETag": f'"{tag}"', "Cache-Control": _CACHE_CONTROL}


def is_conditional(request: Request) -> bool:
    """Return whether the caller has a copy."""
    return "if-none-match" in request.headers


def is_match(request: Request, state: bytes) -> bool:
    """Return whether If-Match names that state, or is absent. A weak tag names none (RFC 9110, section 13.1.1)."""
    conditions = request.headers.getlist("if-match")
    tags = {each.strip() for line in conditions for each in line.split(",")}
    return not conditions or "*" in tags or any(each.startswith(f'"{_hex(state)}.') for each in tags)


def digest_of(content: bytes) -> bytes:
    """Return 12 bytes that no other content has."""
    return hashlib.blake2b(content, digest_size=12).digest()


def _hex(content: bytes) -> str:
    return digest_of(content).hex()


def _names(conditions: list[str], tag: str) -> bool:
    """Return whether a tag is among those of the header, weak ones included."""
    tags = {each.strip().removeprefix("W/") for line in conditions for each in line.split(",")}
    return "*" in tags or tag in tags
