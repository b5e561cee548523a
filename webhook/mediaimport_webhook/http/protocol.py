"""HTTP/1.1 connections: limits of what a connection holds and how long it takes before its request is known.

uvicorn has none for its parser: a stranger's endless header would fill the memory.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from mediaimport_runtime.logs import CONTEXT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mediaimport_webhook.http import problems, request_id
from mediaimport_webhook.http.connections import Connections, connections_of
from mediaimport_webhook.http.limits import overloaded
from mediaimport_webhook.http.write_deadline import WriteDeadline

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)
_MAX_HEAD_BYTES = 64 * 1024
"""Of request line and headers, and of what surrounds the chunks of a body."""
_MAX_HEADERS = 100
"""A header of four bytes takes two hundred as an object."""
_MAX_FRAMING_BYTES = 5 * 1024 * 1024
_MAX_PIPELINED = 16
"""Requests that wait for the answer to the one before."""
_HEAD_TIMEOUT_S = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol: 431 for long headers, the end of a connection whose request does not come."""

    write_timeout_s: ClassVar[float] = 30.0

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self._received_bytes = self._body_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._has_head_under_way = False
        self._refusal: problems.Problem | None = None
        self._takes_no_more = False
        self._counts: Connections = connections_of(self.server_state)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for the first request as long as for a later one."""
        super().connection_made(transport)
        self._writes = WriteDeadline(transport, self.loop, self.write_timeout_s)
        if self._counts.made():
            self._await_request()
        else:
            self._refuse(overloaded("connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._end_head()
        self._stop_head_timer()
        self._writes.stop()
        self._counts.lost(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse what is neither body nor a request of a sane size."""
        if self._takes_no_more:
            return
        self._received_bytes += len(data)
        super().data_received(data)
        framing_bytes = self._received_bytes - self._body_bytes
        if framing_bytes > _MAX_HEAD_BYTES + min(self._body_bytes, _MAX_FRAMING_BYTES):
            self._refuse(_headers_too_large(f"are longer than {_MAX_HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        """Start the time of a request's head."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._take_no_more()
        super().on_message_begin()
        self._start_head_timer(_HEAD_TIMEOUT_S)
        self._has_head_under_way = True
        if not self._counts.begin_head(self._address):
            self._fail(overloaded("unfinished requests of one address"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or refuse one too many."""
        if len(self.headers) >= _MAX_HEADERS:
            self._fail(_headers_too_large(f"are more than {_MAX_HEADERS}"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the time of a request's head."""
        self._end_head()
        self._stop_head_timer()
        self._counts.busy(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count from the start: the next bytes are another request's."""
        self._received_bytes = self._body_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; no byte but that of a request makes the wait longer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._writes.start()
        elif self._is_idle and self._head_timer is None:
            self._await_request()

    def pause_writing(self) -> None:
        """Give the client a time to read."""
        super().pause_writing()
        self._writes.start()

    def resume_writing(self) -> None:
        """End the time to read, unless the rest is the last that is sent."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._writes.stop()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that waited for too long."""
        self.give_way()

    def give_way(self) -> None:
        """Close; the client has a time to read what it was sent."""
        if not self.transport.is_closing():
            self.transport.close()
            self._writes.start()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as everything else is answered."""
        if not self._takes_no_more:
            self._refuse(self._refusal or problems.Problem(HTTPStatus.BAD_REQUEST, "invalid-http", msg))

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _await_request(self) -> None:
        self._start_head_timer(self.timeout_keep_alive)
        self._counts.idle(self)

    def _start_head_timer(self, timeout_s: float) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(timeout_s, self._give_up)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_head(self) -> None:
        if self._has_head_under_way:
            self._has_head_under_way = False
            self._counts.end_head(self._address)

    @property
    def _is_idle(self) -> bool:
        """Return whether no answer is on its way."""
        return self.cycle is None or self.cycle.response_complete

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_idle:
            self.give_way()

    def _take_no_more(self) -> None:
        """Answer the requests that wait, and close after the last; the parser stops."""
        self._takes_no_more = True
        self.cycle.keep_alive = False
        raise ValueError("too many requests wait on one connection")

    def _fail(self, problem: problems.Problem) -> None:
        """Stop the parser, which asks for the answer."""
        self._refusal = problem
        raise ValueError(problem.detail)

    def _refuse(self, problem: problems.Problem) -> None:
        """Answer unless an answer is on its way already, and close."""
        if self._is_idle and not self.transport.is_closing():
            self.transport.write(_answer(problem))
        self._takes_no_more = True
        self.give_way()


def _answer(problem: problems.Problem) -> bytes:
    """Return the answer as it is sent, with an id that the log has, too."""
    context = CONTEXT.set({request_id.FIELD: uuid4().hex})
    try:
        response = problem.response()
        response.headers[request_id.HEADER] = request_id.current() or ""
        log.info(
            "a request was refused before it was whole", extra={"status": response.status_code, "type": problem.slug}
        )
    finally:
        CONTEXT.reset(context)
    response.headers["Connection"] = "close"
    lines = [name + b": " + value for name, value in response.raw_headers]
    return STATUS_LINE[response.status_code] + b"\r\n".join([*lines, b"", bytes(response.body)])


def _headers_too_large(how: str) -> problems.Problem:
    return problems.Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", f"The headers {how}.")
