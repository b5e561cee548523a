"""The Kubernetes client of every program: JSON in, JSON out, a timeout on each request, errors by what to do next.

Authentication and TLS are `kubernetes.aio`'s. Objects are dicts: models cost four times the memory and eight times the
CPU of a list.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import aiohttp
from mediaimport_api import __version__

from mediaimport_runtime.kubernetes.answers import (
    MAX_ANSWER_BYTES,
    PAGE,
    PAGE_BYTES,
    Change,
    Page,
    PageSize,
    api_object,
    json_object,
    list_page,
    watch_event,
)
from mediaimport_runtime.kubernetes.clock import Clock
from mediaimport_runtime.kubernetes.config import configuration
from mediaimport_runtime.kubernetes.errors import UnavailableError, error_of
from mediaimport_runtime.kubernetes.objects import strip_managed_fields
from mediaimport_runtime.kubernetes.session import Session
from mediaimport_runtime.time_slice import TimeSlice

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from mediaimport_runtime.kubernetes.objects import Object

MERGE_PATCH = "application/merge-patch+json"
WATCH_S = 300
"""Seconds after which the API server ends a watch."""
TIMEOUT_S = 30.0
"""Seconds that a request may take in all, by default."""
_CONNECT_S = 10
_LIST_S = 60.0
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)
# The server sends a bookmark about once a minute: 90 s without a byte is a dead connection.
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=WATCH_S + 30, sock_connect=3, sock_read=90)
_MAX_ERROR_BYTES = 64 * 1024
_PROMPT_S = 1.0
"""The Date of an answer that took longer does not tell the time."""
_WRITES = frozenset({"POST", "PUT", "PATCH"})
_OK, _REDIRECT = 200, 300

log = logging.getLogger(__name__)


class OnRequest(Protocol):
    """Observer of requests to the API server, for metrics; `code` 0: no answer."""

    def __call__(self, *, method: str, path: str, code: int, watch: bool = False) -> None:
        """Count the request."""


class OnLeftOut(Protocol):
    """Observer of items of a list, or events of a watch, that are no objects of the API, for metrics."""

    def __call__(self, *, path: str, count: int) -> None:
        """Count them."""


class _Uncounted:
    def __call__(self, **_: object) -> None:
        pass


class AnswerTooLongError(UnavailableError):
    """The answer is longer than asked for."""


_ANY_JSON = "application/json, */*"
_JSON_LEVELS = 10_000
"""The API server refuses JSON that is nested deeper."""
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True)
class Call:
    """One request. `body` is sent as JSON."""

    method: str
    path: str
    body: Object | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    accept: str = _ANY_JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Client:
    """Requests to the API server. Every method raises one of kubernetes.errors."""

    def __init__(  # noqa: PLR0913 - its observers
        self,
        session: Session,
        *,
        field_manager: str = "mediaimport",
        on_request: OnRequest | None = None,
        on_left_out: OnLeftOut | None = None,
        clock: Clock | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Take observers of all requests and answers; `clock` is synchronised by the Date of the answers."""
        self._session = session
        self._field_manager = field_manager
        self._on_request = on_request or _Uncounted()
        self._on_left_out = on_left_out or _Uncounted()
        self._page_sizes: dict[str, PageSize] = {}
        self._clock = clock or Clock()
        self._timeout_s = timeout_s

    # --- lists and watches ---

    async def page(
        self, path: str, *, limit: int = PAGE, selector: str = "", after: str = "", metadata_only: bool = False
    ) -> Page:
        """Return one page of a list; ExpiredError for a stale `after`.

        Of large objects it holds fewer than `limit`: about PAGE_BYTES, so that no list fills the memory.
        `metadata_only` asks the server to leave out spec and status.
        """
        accept = f"{_METADATA_LIST}, {_ANY_JSON}" if metadata_only else _ANY_JSON
        query = _unless_empty(labelSelector=selector) | ({"continue": after} if after else {})
        size = self._page_sizes.setdefault(path, PageSize())
        asked = size.limit(limit)
        while True:
            call = Call("GET", path, query={"limit": str(asked)} | query, accept=accept)
            try:
                page = await self._page(call, max_bytes=PAGE_BYTES if asked > 1 else MAX_ANSWER_BYTES)
            except AnswerTooLongError:
                if asked == 1:
                    raise
                size.shrink(asked)
                asked = size.limit(limit)
            else:
                size.read(page.size_bytes)
                return page

    async def _page(self, call: Call, *, max_bytes: int) -> Page:
        body = await self.read(call, timeout_s=_LIST_S, max_bytes=max_bytes)
        page = list_page(json_object(body, str(call)), str(call), size_bytes=len(body))
        if page.left_out:
            self._left_out(call.path, page.left_out)
        return page

    async def list_each(self, path: str, selector: str = "", *, take: Callable[[Object], object]) -> str:
        """Give each item of a list to `take`, page by page; return the list's resourceVersion; ExpiredError.

        Other tasks run in between: no list holds up the loop. The resourceVersion is `0`, the oldest, if items were
        left out: what is missing then may exist.
        """
        page, left_out = await self.page(path, selector=selector), 0
        while page.next:
            ahead = None
            if page.size_bytes < PAGE_BYTES // 2:
                # The next page is on its way while this one is taken.
                ahead = asyncio.create_task(self.page(path, selector=selector, after=page.next))
                await asyncio.sleep(0)
            await _take_each(page, take)
            left_out += page.left_out
            following = ahead or self.page(path, selector=selector, after=page.next)
            del page
            page = await following
        await _take_each(page, take)
        return "0" if left_out + page.left_out else page.version

    async def watch(self, path: str, version: str, *, selector: str = "") -> AsyncGenerator[Change, None]:
        """Yield what changes after that resourceVersion, until the server ends the watch; ExpiredError."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_S),
        }
        call = Call("GET", path, query=query | _unless_empty(labelSelector=selector))
        response = await self._send(call, _WATCH_TIMEOUT, watch=True)
        try:
            await _check(call, response)
            while line := await response.content.readline():
                if (change := watch_event(line)) is None:
                    self._left_out(path, 1)
                else:
                    yield change
        except ValueError as error:
            raise UnavailableError(f"{call}: a line of the watch is not an event of the Kubernetes API") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"the watch of {path} broke off: {type(error).__name__}") from error
        finally:
            response.close()

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield a body as it comes, in pieces of any length, without end to its time."""
        call = Call("GET", path, query=query)
        response = await self._send(call, _STREAM_TIMEOUT)
        try:
            await _check(call, response)
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{path} broke off: {type(error).__name__}") from error
        finally:
            response.close()

    # --- single objects ---

    async def get(self, path: str) -> Object:
        """Return the object."""
        return await self._object(Call("GET", path))

    async def items(self, path: str, query: Mapping[str, str]) -> list[Object]:
        """Return the items of a list in one piece."""
        return (await self._page(Call("GET", path, query=query), max_bytes=MAX_ANSWER_BYTES)).items

    async def create(self, path: str, body: Object) -> Object:
        """Create the object in that collection and return it; AlreadyExistsError."""
        return await self._object(Call("POST", path, body=body))

    async def replace(self, path: str, body: Object) -> Object:
        """Replace the object and return it; ConflictError if `body` has an old resourceVersion."""
        return await self._object(Call("PUT", path, body=body))

    async def patch(self, path: str, patch: Object) -> Object:
        """Apply a JSON merge patch and return the object; ConflictError if it names an old resourceVersion."""
        return await self._object(Call("PATCH", path, body=patch, content_type=MERGE_PATCH))

    async def delete(self, path: str, preconditions: Mapping[str, str] | None = None) -> Object:
        """Delete the object and its dependents; ConflictError if a precondition (uid, resourceVersion) fails.

        Returns the object while a finalizer holds it, else a Status.
        """
        # Without a policy the API server orphans a Job's pods.
        options: Object = {"propagationPolicy": "Background"}
        if preconditions:
            options["preconditions"] = dict(preconditions)
        return await self.request(Call("DELETE", path, body=options))

    async def _object(self, call: Call) -> Object:
        return api_object(await self.request(call), str(call))

    async def request(self, call: Call, *, timeout_s: float | None = None) -> Object:
        """Return the JSON object that the API server answers; UnavailableError names an answer that is none."""
        return json_object(await self.read(call, timeout_s=timeout_s), str(call))

    async def read(self, call: Call, *, timeout_s: float | None = None, max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
        """Return the answer's body; AnswerTooLongError."""
        total_s = timeout_s or self._timeout_s
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=min(_CONNECT_S, total_s))
        response = await self._send(call, timeout)
        try:
            async with response:
                await _check(call, response)
                return await read_body(response, str(call), max_bytes=max_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(call, error) from error

    def _left_out(self, path: str, count: int) -> None:
        log.error("answer contains items that are no objects", extra={"path": path, "count": count})
        self._on_left_out(path=path, count=count)

    async def _send(self, call: Call, timeout: aiohttp.ClientTimeout, *, watch: bool = False) -> aiohttp.ClientResponse:  # noqa: ASYNC109 - aiohttp's own, for each of its parts
        """Return the answer before its body is read, whatever its status."""
        query = dict(call.query)
        if call.method in _WRITES:
            query["fieldManager"] = self._field_manager
        headers = await self._session.headers() | {"Accept": call.accept, "Content-Type": call.content_type}
        code, begun_s = 0, time.monotonic()
        try:
            response = await self._session.request(
                call.method, call.path, query=query, headers=headers, body=call.body, timeout=timeout
            )
            code = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(call, error) from error
        finally:
            self._on_request(method=call.method, path=call.path, code=code, watch=watch)
        if time.monotonic() < begun_s + _PROMPT_S:
            self._clock.sync_from_date(response.headers.get("Date"))
        return response


def allow_deep_json() -> None:
    """Let this process parse whatever the API server stores: one object must not fail the parsing of a whole list."""
    # Until Python 3.12, the JSON parser counts each level as a call.
    sys.setrecursionlimit(_JSON_LEVELS + sys.getrecursionlimit())


@asynccontextmanager
async def connect(  # noqa: PLR0913 - as above
    component: str,
    *,
    connections: int,
    on_request: OnRequest | None = None,
    on_left_out: OnLeftOut | None = None,
    clock: Clock | None = None,
    timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[Client]:
    """Open a client that uses at most so many connections; BadSettingError when no way to the API server is known.

    `component` (`mediaimport-operator`) is the User-Agent's name and the field manager of its writes.
    """
    config = await configuration()
    config.connection_pool_maxsize = connections
    async with Session(config, user_agent=f"{component}/{__version__}") as session:
        yield Client(
            session,
            field_manager=component,
            on_request=on_request,
            on_left_out=on_left_out,
            clock=clock,
            timeout_s=timeout_s,
        )


async def read_body(response: aiohttp.ClientResponse, request: str, *, max_bytes: int) -> bytes:
    """Return the answer's body; AnswerTooLongError as soon as it is longer than that, and the connection is closed."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            response.close()
            raise AnswerTooLongError(f"{request}: the answer has more than {max_bytes} bytes")
    return bytes(body)


async def _take_each(page: Page, take: Callable[[Object], object]) -> None:
    time_slice = TimeSlice()
    page.items.reverse()
    while page.items:
        # Each object goes as soon as it is taken: in memory a page is many times as long.
        take(strip_managed_fields(page.items.pop()))
        await time_slice.pause_when_over()


def _unless_empty(**query: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _no_answer(call: Call, error: Exception) -> UnavailableError:
    return UnavailableError(f"{call}: no answer ({type(error).__name__})")


async def _check(call: Call, response: aiohttp.ClientResponse) -> None:
    if not _OK <= response.status < _REDIRECT:
        body = await response.content.read(_MAX_ERROR_BYTES)
        raise error_of(call.method, response.status, body, response.headers)
