"""The Kubernetes client of every program: JSON in, JSON out, a timeout on each request, errors by what to do next.

It stands on `kubernetes.aio`'s plain calls, which bring authentication, TLS and the connection pool. Objects are
dicts: models cost four times the memory and eight times the CPU of a list.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import aiohttp
from mediaimport_api import __version__

from mediaimport_runtime.kubernetes.clock import Clock
from mediaimport_runtime.kubernetes.config import api_client, configuration
from mediaimport_runtime.kubernetes.errors import ExpiredError, UnavailableError, error_of
from mediaimport_runtime.kubernetes.objects import pack, strip_managed_fields
from mediaimport_runtime.time_slice import TimeSlice

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from kubernetes.aio.client import ApiClient

    from mediaimport_runtime.kubernetes.objects import Object

PAGE = 200
"""Objects of a list that are in memory whole, at some fifty kilobytes each."""
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
_GONE = 410


class OnRequest(Protocol):
    """Observer of requests to the API server, for metrics; `code` 0: no answer."""

    def __call__(self, *, method: str, path: str, code: int, watch: bool = False) -> None:
        """Count the request."""


class _Uncounted:
    def __call__(self, *, method: str, path: str, code: int, watch: bool = False) -> None:
        pass


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


@dataclass(frozen=True)
class Page:
    """One page of a list; `next` is the continue token, empty on the last page."""

    items: list[Object]
    version: str
    next: str = ""


@dataclass(frozen=True)
class Change:
    """One event of a watch; a BOOKMARK only moves the resourceVersion on."""

    kind: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    resource: Object


class Client:
    """Requests to the API server. Every method raises one of kubernetes.errors."""

    def __init__(
        self,
        client: ApiClient,
        *,
        field_manager: str = "mediaimport",
        on_request: OnRequest | None = None,
        clock: Clock | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Take an observer of all requests; `clock` is synchronised by the Date of the answers."""
        self._client = client
        self._field_manager = field_manager
        self._on_request = on_request or _Uncounted()
        self._clock = clock or Clock()
        self._timeout_s = timeout_s

    # --- lists and watches ---

    async def page(
        self, path: str, *, limit: int = PAGE, selector: str = "", after: str = "", metadata_only: bool = False
    ) -> Page:
        """Return one page of a list; ExpiredError for a stale `after`.

        `metadata_only` asks the server to leave out spec and status.
        """
        accept = f"{_METADATA_LIST}, {_ANY_JSON}" if metadata_only else _ANY_JSON
        query = {"limit": str(limit)} | _unless_empty(labelSelector=selector) | ({"continue": after} if after else {})
        answer = await self.request(Call("GET", path, query=query, accept=accept), timeout_s=_LIST_S)
        try:
            about = answer["metadata"]
            # The API server says null where a list of metadata is empty.
            return Page(list(answer["items"] or ()), str(about["resourceVersion"]), about.get("continue") or "")
        except (KeyError, TypeError, AttributeError):
            raise UnavailableError(f"GET {path}: the answer is not a list of the Kubernetes API") from None

    async def list_packed(self, path: str, selector: str = "") -> tuple[list[bytes], str]:
        """Return all items of a list, packed page by page, and its resourceVersion; ExpiredError in the middle."""
        items: list[bytes] = []
        page = await self.page(path, selector=selector)
        while page.next:
            # The next page is on its way while this one is packed.
            following = asyncio.create_task(self.page(path, selector=selector, after=page.next))
            await asyncio.sleep(0)
            await _pack(page, items)
            page = await following
        await _pack(page, items)
        return items, page.version

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
                yield _change(line)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
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

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Return the object, or a list in one piece."""
        return await self.request(Call("GET", path, query=query or {}))

    async def create(self, path: str, body: Object) -> Object:
        """Create the object in that collection and return it; AlreadyExistsError."""
        return await self.request(Call("POST", path, body=body))

    async def replace(self, path: str, body: Object) -> Object:
        """Replace the object and return it; ConflictError if `body` has an old resourceVersion."""
        return await self.request(Call("PUT", path, body=body))

    async def patch(self, path: str, patch: Object) -> Object:
        """Apply a JSON merge patch and return the object; ConflictError if it names an old resourceVersion."""
        return await self.request(Call("PATCH", path, body=patch, content_type=MERGE_PATCH))

    async def delete(self, path: str, preconditions: Mapping[str, str] | None = None) -> Object:
        """Delete the object and its dependents; ConflictError if a precondition (uid, resourceVersion) fails.

        Returns the object while a finalizer holds it, else a Status.
        """
        # Without a policy the API server orphans a Job's pods.
        options: Object = {"propagationPolicy": "Background"}
        if preconditions:
            options["preconditions"] = dict(preconditions)
        return await self.request(Call("DELETE", path, body=options))

    async def request(self, call: Call, *, timeout_s: float | None = None) -> Object:
        """Return the JSON object that the API server answers; UnavailableError names an answer that is none."""
        body = await self.read(call, timeout_s=timeout_s)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            # A proxy's page, for example.
            raise UnavailableError(f"{call.method} {call.path}: the answer is not JSON of the Kubernetes API")
        return cast("Object", answer)

    async def read(self, call: Call, *, timeout_s: float | None = None) -> bytes:
        """Return the answer's body."""
        total_s = timeout_s or self._timeout_s
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=min(_CONNECT_S, total_s))
        response = await self._send(call, timeout)
        try:
            async with response:
                await _check(call, response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(call, error) from error

    async def _send(self, call: Call, timeout: aiohttp.ClientTimeout, *, watch: bool = False) -> aiohttp.ClientResponse:  # noqa: ASYNC109 - aiohttp's own, for each of its parts
        """Return the answer before its body is read, whatever its status."""
        query = dict(call.query)
        if call.method in _WRITES:
            query["fieldManager"] = self._field_manager
        method, url, headers, _, parts = await self._client.param_serialize(
            method=call.method,
            resource_path=call.path,
            query_params=list(query.items()),
            header_params={"Accept": call.accept, "Content-Type": call.content_type},
            auth_settings=["BearerToken"],
        )
        code, begun_s = 0, time.monotonic()
        try:
            # The body is plain already; the client would copy it to make it so.
            answer: Any = await self._client.call_api(method, url, headers, call.body, parts, _request_timeout=timeout)
            code = answer.response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(call, error) from error
        finally:
            self._on_request(method=call.method, path=call.path, code=code, watch=watch)
        response: aiohttp.ClientResponse = answer.response
        if time.monotonic() < begun_s + _PROMPT_S:
            self._clock.sync_from_date(response.headers.get("Date"))
        return response


def allow_deep_json() -> None:
    """Let this process parse whatever the API server stores: one object must not fail the parsing of a whole list."""
    # Until Python 3.12, the JSON parser counts each level as a call.
    sys.setrecursionlimit(_JSON_LEVELS + sys.getrecursionlimit())


@asynccontextmanager
async def connect(
    component: str,
    *,
    connections: int,
    on_request: OnRequest | None = None,
    clock: Clock | None = None,
    timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[Client]:
    """Open a client that uses at most so many connections; BadSettingError when no way to the API server is known.

    `component` (`mediaimport-operator`) is the User-Agent's name and the field manager of its writes.
    """
    config = await configuration()
    config.connection_pool_maxsize = connections
    async with api_client(config, user_agent=f"{component}/{__version__}") as client:
        yield Client(client, field_manager=component, on_request=on_request, clock=clock, timeout_s=timeout_s)


async def _pack(page: Page, items: list[bytes]) -> None:
    time_slice = TimeSlice()
    for item in page.items:
        items.append(pack(strip_managed_fields(item)))
        await time_slice.pause_when_over()


def _unless_empty(**query: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _no_answer(call: Call, error: Exception) -> UnavailableError:
    return UnavailableError(f"{call.method} {call.path}: no answer ({type(error).__name__})")


async def _check(call: Call, response: aiohttp.ClientResponse) -> None:
    if not response.ok:
        body = await response.content.read(_MAX_ERROR_BYTES)
        raise error_of(call.method, response.status, body, response.headers)


def _change(line: bytes) -> Change:
    try:
        event = json.loads(line)
        kind, resource = event["type"], event["object"]
        if kind != "ERROR":
            return Change(kind, resource)
        code, reason = resource.get("code"), resource.get("reason")
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("the line is not an event of a watch") from None
    if code == _GONE:
        raise ExpiredError("the watch's place is gone", status=_GONE)
    raise UnavailableError(f"the watch ended: {reason}")
