"""Refusals as RFC 9457 problem JSON: https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

_TYPES = "https://mediaimport.dev/problems/"
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `pointer` is a JSON Pointer into the body, or `?name` for a query parameter."""

    pointer: str
    detail: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """A request that is not answered as asked. `slug` makes the stable `type`; `detail` says what to do."""

    status: HTTPStatus
    slug: str
    detail: str
    errors: Sequence[FieldError] = ()
    members: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the problem as its answer."""
        content: dict[str, Any] = {
            "type": _TYPES + self.slug,
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            **self.members,
        }
        if self.errors:
            content["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in self.errors]
        body = json.dumps(content).encode()
        return Response(body, int(self.status), dict(self.headers), media_type="application/problem+json")


def not_found(what: str) -> Problem:
    """Return 404: absent, or another's; a caller cannot tell which."""
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no such {what}.")


def deleted(what: str) -> Problem:
    """Return 410: it was there, and somebody deleted it for good."""
    return Problem(HTTPStatus.GONE, "deleted", f"This {what} was deleted.")


def invalid(errors: Sequence[FieldError]) -> Problem:
    """Return 422 for fields that are wrong."""
    detail = "; ".join(f"{each.pointer or 'the body'}: {each.detail}" for each in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-field", detail, errors)


def setting_missing(*settings: str) -> Problem:
    """Return 503 for a route whose settings are not made."""
    named = " and ".join(settings)
    detail = f"This route needs {named}; whoever runs this service can set it."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "setting-missing", detail, members={"setting": ", ".join(settings)})


def unavailable(what: str, *, retry_after_s: int = RETRY_AFTER_SECONDS) -> Problem:
    """Return 503 for something behind the shim that does not answer."""
    headers = {"Retry-After": str(retry_after_s)}
    detail = f"{what} does not answer; try again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)


def pointer_of(location: Sequence[int | str]) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def field_errors(error: ValidationError, *, within: str = "") -> list[FieldError]:
    """Return what pydantic found, without the values that it found: they may be secret, or large."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldError(within + pointer_of(each["loc"]), each["msg"]) for each in found]


def first_error(error: ValidationError) -> str:
    """Return the first thing that pydantic found, in one line."""
    first = field_errors(error)[0]
    return f"{first.pointer or '/'}: {first.detail}"


async def answer_problem(_: Request, error: Exception) -> Response:
    """Answer a Problem that a route raised."""
    assert isinstance(error, Problem)  # noqa: S101 - Starlette maps handlers by type, its annotation cannot say so
    return error.response()


async def answer_http_error(_: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: an unknown path, a wrong method."""
    refusal: HTTPException = error  # type: ignore[assignment]  # Starlette maps handlers by type
    status = HTTPStatus(refusal.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    return Problem(status, slug, f"{status.description or status.phrase}.", headers=refusal.headers or {}).response()


async def answer_defect(_: Request, __: Exception) -> Response:
    """Answer what nobody foresaw; the server logs it with its traceback."""
    detail = "Something went wrong here that should not; it is logged."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail).response()
