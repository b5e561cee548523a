"""The header Idempotency-Key."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from starlette.requests import Request

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def idempotency_key(request: Request) -> str | None:
    """Return the request's key, None without one; a 400 Problem for one that is not of its form."""
    return checked_key(request.headers.get("idempotency-key"))


def checked_key(key: object) -> str | None:
    """Return the key, None for none; a 400 Problem for one that is not of its form."""
    if key is not None and not (isinstance(key, str) and _KEY.fullmatch(key)):
        detail = "Idempotency-Key must be 1 to 255 visible ASCII characters."
        raise problems.Problem(HTTPStatus.BAD_REQUEST, "invalid-idempotency-key", detail)
    return key
