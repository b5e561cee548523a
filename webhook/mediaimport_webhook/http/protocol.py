"""HTTP/1.1 connections: limits of what a connection holds and how long it takes before its request is known.

uvicorn has none for its parser: a stranger's endless header would fill the memory.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mediaimport_webhook.http import problems, request_id

if TYPE_CHECKING:
    import asyncio

_MAX_HEAD_BYTES = 64 * 1024
"""Of request line and headers, and of what surrounds the chunks of a body."""
_MAX_FRAMING_BYTES = 5 * 1024 * 1024
_HEAD_TIMEOUT_S = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol: 431 for long headers, the end of a connection whose request does not come."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self._received_bytes = self._body_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first request as long as for a later one."""
        super().connection_made(transport)
        self._expect_head(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._head_is_whole()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is neither body nor a request of a sane size."""
        self._received_bytes += len(data)
        super().data_received(data)
        framing_bytes = self._received_bytes - self._body_bytes
        if framing_bytes > _MAX_HEAD_BYTES + min(self._body_bytes, _MAX_FRAMING_BYTES):
            self._refuse(_headers_too_large())

    def on_message_begin(self) -> None:
        """Start the time of a request's head."""
        super().on_message_begin()
        self._expect_head(_HEAD_TIMEOUT_S)

    def on_headers_complete(self) -> None:
        """End the time of a request's head."""
        self._head_is_whole()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count from the start: the next bytes are another request's."""
        self._received_bytes = self._body_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as everything else is answered."""
        self._refuse(problems.Problem(HTTPStatus.BAD_REQUEST, "invalid-http", msg))

    def _expect_head(self, timeout_s: float) -> None:
        self._head_is_whole()
        self._head_timer = self.loop.call_later(timeout_s, self._give_up)

    def _head_is_whole(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    @property
    def _is_idle(self) -> bool:
        """Return whether no answer is on its way."""
        return self.cycle is None or self.cycle.response_complete

    def _give_up(self) -> None:
        if self._is_idle:
            self.transport.close()

    def _refuse(self, problem: problems.Problem) -> None:
        """Answer unless an answer is on its way already, and close."""
        if self._is_idle and not self.transport.is_closing():
            response = problem.response()
            response.headers[request_id.HEADER] = uuid4().hex
            response.headers["Connection"] = "close"
            lines = [name + b": " + value for name, value in response.raw_headers]
            self.transport.write(STATUS_LINE[response.status_code] + b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()


def _headers_too_large() -> problems.Problem:
    detail = f"The headers are longer than {_MAX_HEAD_BYTES} bytes."
    return problems.Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", detail)
