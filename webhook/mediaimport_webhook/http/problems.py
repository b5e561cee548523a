"""Problem details, RFC 9457: every 4xx and 5xx as JSON. https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from mediaimport_webhook.http import request_id
from mediaimport_webhook.http.problem_types import BASE_URL, ProblemDetails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

RETRY_AFTER_S = 5


@dataclass(frozen=True)
class FieldError:
    """Error of one field; `pointer` is a JSON Pointer into the body, or `?name` for a query parameter."""

    pointer: str
    detail: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """Refusal of a request. `slug` makes the stable `type`; `detail` says what happened and what to do."""

    status: HTTPStatus
    slug: str
    detail: str
    errors: Sequence[FieldError] = ()
    members: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return the HTTP response."""
        body = json.dumps(self.content()).encode()
        return Response(body, int(self.status), dict(self.headers), media_type="application/problem+json")

    def content(self) -> ProblemDetails:
        """Return the problem's JSON."""
        content: dict[str, Any] = {
            "type": BASE_URL + self.slug,
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            **self.members,
        }
        if (current := request_id.current()) is not None:
            content["request_id"] = current
        if self.errors:
            content["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in self.errors]
        return cast("ProblemDetails", content)


def not_found(what: str) -> Problem:
    """Return 404: absent, or another user's; a caller cannot tell which."""
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no such {what}.")


def deleted(what: str) -> Problem:
    """Return 410: somebody deleted it, and it does not come back."""
    return Problem(HTTPStatus.GONE, "deleted", f"This {what} was deleted.")


def invalid(errors: Sequence[FieldError]) -> Problem:
    """Return 422 with an error for each wrong field."""
    detail = "; ".join(f"{each.pointer or 'the body'}: {each.detail}" for each in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-field", detail, errors)


def setting_missing(*settings: str, value: str | None = None) -> Problem:
    """Return 503 for a route that lacks settings; `value`: that of the chart which sets them."""
    named = " and ".join(settings)
    by_chart = f", with the chart by its value {value}" if value else ""
    detail = f"This route needs {named}; the operator of this service can set it{by_chart}."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "setting-missing", detail, members={"setting": ", ".join(settings)})


def catalogue_required(pointer: str) -> Problem:
    """Return 422 for a field or parameter that only a database answers: the same request is right elsewhere."""
    detail = "This needs a catalogue database; the operator of this service can set CATALOGUE_URL."
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "catalogue-required",
        detail,
        [FieldError(pointer, detail)],
        members={"setting": "CATALOGUE_URL"},
    )


def unavailable(what: str, *, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """Return 503 for a service behind the webhook that does not answer."""
    headers = {"Retry-After": str(retry_after_s)}
    detail = f"{what} does not answer; try again."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)


def result_missing(detail: str, *, setting: str) -> Problem:
    """Return 503 for a callback whose result is elsewhere and cannot be had; the generator repeats it."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "result-missing", detail, members={"setting": setting})


def internal_error() -> Problem:
    """Return 500."""
    detail = "An internal error happened; it is logged with this request's id."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)


def pointer_of(location: Sequence[int | str]) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def field_errors(error: ValidationError, *, within: str = "") -> list[FieldError]:
    """Return pydantic's errors without the values, which may be secret or large."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [FieldError(within + pointer_of(each["loc"]), each["msg"]) for each in found]


def first_error(error: ValidationError) -> str:
    """Return pydantic's first error in one line, without the value."""
    first = field_errors(error)[0]
    return f"{first.pointer or '/'}: {first.detail}"


async def problem_response(_: Request, error: Exception) -> Response:
    """Return the response of a Problem that a route raised."""
    assert isinstance(error, Problem)  # noqa: S101 - Starlette maps handlers by type, its annotation cannot say so
    return error.response()


async def http_error_response(_: Request, error: Exception) -> Response:
    """Return the response to an unknown path or a wrong method, which Starlette itself refuses."""
    refusal: HTTPException = error  # type: ignore[assignment]  # Starlette maps handlers by type
    status = HTTPStatus(refusal.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    return Problem(status, slug, f"{status.description or status.phrase}.", headers=refusal.headers or {}).response()


async def internal_error_response(_: Request, __: Exception) -> Response:
    """Return 500 for an unforeseen exception; the server logs its traceback."""
    return internal_error().response()
