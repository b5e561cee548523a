"""Cross-origin requests: a refused preflight is a problem like every other refusal."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response

_OF_CONTENT = frozenset({"content-length", "content-type"})


class Cors(CORSMiddleware):
    """Starlette's middleware, whose own refusal is plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; a refusal names what the settings do not allow."""
        response = super().preflight_response(request_headers)
        if response.status_code != HTTPStatus.BAD_REQUEST:
            return response
        headers = {name: value for name, value in response.headers.items() if name not in _OF_CONTENT}
        detail = f"{bytes(response.body).decode()}; the operator of this service sets the allowed origins."
        return problems.Problem(HTTPStatus.BAD_REQUEST, "cors-refused", detail, headers=headers).response()
