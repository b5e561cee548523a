"""The HTTP session of kopf, which checks each answer before kopf gets it, and takes events of watches from it.

kopf ends the process at an answer that it does not expect: a proxy's page with 200, a list without items, a 404, an
ERROR in a watch. Here each becomes an error that kopf retries; the log names it, and the path's next request waits,
longer after each one in a row.

kopf gives each object a task, a queue and copies: two milliseconds an event, and an import's Job and pod have twenty.
Events that are taken reach the caches at once, and kopf gets a bookmark for every fiftieth: it moves on in the watch,
and lists and begins again as ever. What a watch that begins again repeats, the caches know. Of its lists kopf gets what
is not taken, too.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from mediaimport_api import __version__, json_depth, names
from mediaimport_runtime.kubernetes.answers import (
    MAX_ANSWER_BYTES,
    PAGE_BYTES,
    Change,
    PageSize,
    json_object,
    list_page,
    watch_event,
)
from mediaimport_runtime.kubernetes.client import AnswerTooLongError, OnLeftOut, OnRequest, read_body
from mediaimport_runtime.kubernetes.errors import ExpiredError, UnavailableError, error_of, named_wait_s
from mediaimport_runtime.kubernetes.objects import Object, json_bytes, strip_managed_fields
from mediaimport_runtime.time_slice import TimeSlice

from mediaimport_operator.cluster import COMPONENT
from mediaimport_operator.run.watch_silence import DEAD_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import kopf
    from aiohttp.client_middlewares import ClientHandlerType
    from aiohttp.client_reqrep import ClientRequest
    from yarl import URL

    from mediaimport_operator.run.watch_silence import WatchSilence

_FIRST_PAUSE_S = 1.0
_MAX_PAUSE_S = 20.0
_BRIEF_S = 1.0
"""A watch that ends sooner without an event is no watch."""
_MAX_ERROR_BYTES = 64 * 1024
_LONG_LINE = 64 * 1024
BOOKMARK_EVERY = 50
"""Events of a watch that are taken for each bookmark that kopf gets: it needs a tenth of a millisecond for one."""
_REDIRECT, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 300, 401, 403, 404, 429
_LIST_AGAIN = b'{"type": "ERROR", "object": {"code": 410}}\n'
_DISCOVERY = {
    "/api": ("versions", None),
    "/apis": ("groups", frozenset({"batch", names.GROUP})),
    "/api/v1": ("resources", frozenset({"pods"})),
    "/apis/batch/v1": ("resources", frozenset({"jobs"})),
    f"/apis/{names.API_VERSION}": ("resources", frozenset({names.PLURAL})),
}
"""The list in each document of the discovery, and what it must name: kopf reads them once, and watches nothing else."""

log = logging.getLogger(__name__)


class UnusableAnswerError(aiohttp.ClientConnectionError):
    """The answer is not the API's. kopf repeats the request, as after a connection that broke."""


class ListAgainError(aiohttp.ClientPayloadError):
    """The list or the watch cannot go on. kopf begins it again, as after an answer that broke off."""


class CheckedResponse(aiohttp.ClientResponse):
    """An answer whose JSON has been checked."""

    checked: Object | None = None

    async def json(self, **_: Any) -> Any:  # noqa: ANN401 - aiohttp's signature
        """Return the checked JSON."""
        return self.checked


class Pauses:
    """Waits of each path, after answers that cannot be used."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._until_s: dict[str, float] = {}

    async def wait(self, path: str) -> None:
        """Wait until a request of that path may be made."""
        await asyncio.sleep(self._until_s.get(path, 0.0) - asyncio.get_running_loop().time())

    def failed(self, path: str, *, named_wait_s: float = 0) -> float:
        """Let the path's next request wait, twice as long as the one before, and as long as the API server says.

        Return that time in seconds.
        """
        failures = self._failures.get(path, 0)
        self._failures[path] = failures + 1
        backoff_s = min(_FIRST_PAUSE_S * 2 ** min(failures, 8), _MAX_PAUSE_S)
        jittered_s: float = backoff_s * random.uniform(0.8, 1.0)  # noqa: S311 - jitter is no secret
        wait_s: float = max(jittered_s, named_wait_s)
        self._until_s[path] = asyncio.get_running_loop().time() + wait_s
        return wait_s

    def succeeded(self, path: str) -> None:
        """Let the path's next request wait no longer."""
        self._failures.pop(path, None)
        self._until_s.pop(path, None)


class AnswerGuard:
    """A middleware of aiohttp: checks the answers that kopf gets."""

    def __init__(  # noqa: PLR0913 - its observers
        self,
        takers: Mapping[str, Callable[[Change], bool]],
        *,
        silence: WatchSilence,
        on_request: OnRequest,
        on_left_out: OnLeftOut,
        on_page_size: Callable[[int], None],
        most: int,
    ) -> None:
        """Take observers; `on_page_size` sets the size of the pages that kopf asks for, at most `most`.

        `takers` has, for kinds (`pods`), a function that returns whether it takes an event: kopf does not get it.
        """
        self._takers = takers
        self._silence = silence
        self._on_request = on_request
        self._on_left_out = on_left_out
        self._on_page_size = on_page_size
        self._most = most
        self._page_size = PageSize()
        self._pauses = Pauses()
        self._taken: Counter[str] = Counter()

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Return the answer, checked; UnusableAnswerError, ListAgainError."""
        path = request.url.path
        await self._pauses.wait(path)
        if "watch" in request.url.query or "limit" in request.url.query:
            self._silence.asked(path)
        response = cast("CheckedResponse", await self._send(request, handler))
        try:
            await self._check(request.url, response)
        except aiohttp.ClientPayloadError as error:
            response.close()
            if isinstance(error, ListAgainError):
                raise
            raise UnusableAnswerError(f"GET {path}: the answer broke off") from error
        except UnavailableError as error:
            response.close()
            self._failed(path, error)
            raise UnusableAnswerError(str(error)) from error
        except BaseException:
            response.close()
            raise
        return response

    async def _send(self, request: ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        code, watch = 0, "watch" in request.url.query
        try:
            async with asyncio.timeout(DEAD_S if watch else None):
                response = await handler(request)
            code = response.status
        except aiohttp.ClientConnectionError:
            raise
        except TimeoutError as error:
            raise UnusableAnswerError(f"GET {request.url.path}: no answer within {DEAD_S:.0f} s") from error
        except aiohttp.ClientError as error:
            # An answer that is not HTTP, for example.
            raise UnusableAnswerError(f"GET {request.url.path}: no answer ({type(error).__name__})") from error
        finally:
            self._on_request(method=request.method, path=request.url.path, code=code, watch=watch)
        return response

    async def _check(self, url: URL, response: CheckedResponse) -> None:
        watch = "watch" in url.query
        if response.status >= _REDIRECT:
            await self._check_error(url, response, watch=watch)
        elif watch:
            self._silence.answered(url.path)
            response.content = cast("Any", WatchLines(response.content, self, url.path))
        else:
            response.checked = await self._read(url, response)
            self._pauses.succeeded(url.path)

    async def _check_error(self, url: URL, response: CheckedResponse, *, watch: bool) -> None:
        """Let kopf log in again, repeat the request, or begin again what cannot go on."""
        status, path = response.status, url.path
        body = await response.content.read(_MAX_ERROR_BYTES)
        response.close()
        if status == _UNAUTHORIZED:
            self._pause(path)
        if status == _UNAUTHORIZED or (status == _NOT_FOUND and _is_optional(url)):
            response.checked = {}
            return
        cause = error_of("GET", status, body, response.headers)
        error = UnavailableError(f"GET {path}: the answer is {cause}", retry_after_s=named_wait_s(cause) or None)
        lasts = status < 500 and status not in {_FORBIDDEN, _TOO_MANY}  # noqa: PLR2004 - a server's own error
        if lasts and watch:
            self._failed(path, error)
            response.status, response.content = 200, cast("Any", WatchLines(None, self, path))
        elif lasts and "continue" in url.query:
            self._failed(path, error)
            raise ListAgainError(str(error))
        else:
            raise error

    # --- lists and documents ---

    async def _read(self, url: URL, response: aiohttp.ClientResponse) -> Object:
        request, limit = f"GET {url.path}", int(url.query.get("limit", 1))
        try:
            body = await read_body(response, request, max_bytes=PAGE_BYTES if limit > 1 else MAX_ANSWER_BYTES)
        except AnswerTooLongError as error:
            if limit == 1:
                raise
            self._page_size.shrink(limit)
            self._on_page_size(self._page_size.limit(self._most))
            raise ListAgainError(str(error)) from error
        answer = json_object(body, request)
        if "limit" not in url.query:
            return self._discovered(url.path, answer)
        page = list_page(answer, request, size_bytes=len(body))
        self._page_size.read(len(body))
        self._on_page_size(self._page_size.limit(self._most))
        if page.left_out:
            self.left_out(url.path, page.left_out)
        return answer | {"items": [trimmed(each) async for each in self.left(url.path, page.items)]}

    async def left(self, path: str, items: list[Object]) -> AsyncIterator[Object]:
        """Yield the items of a list that nobody takes."""
        time_slice = TimeSlice()
        for each in items:
            if not self._takes(path, Change("ADDED", each)):
                yield each
            await time_slice.pause_when_over()

    def _discovered(self, path: str, answer: Object) -> Object:
        """Return a document of the discovery that names all that kopf is to watch."""
        field, needed = _DISCOVERY.get(path, ("resources", None))
        listed = answer.get(field)
        if not isinstance(listed, list):
            raise UnavailableError(f"GET {path}: the answer is not a discovery document of the Kubernetes API")
        missing = (needed or frozenset()) - {each.get("name") for each in listed if isinstance(each, dict)}
        if missing:
            raise UnavailableError(
                f"GET {path}: the answer does not name {', '.join(sorted(missing))}; is the CustomResourceDefinition"
                " installed?"
            )
        return answer

    # --- watches ---

    def line(self, path: str, line: bytes) -> bytes | None:
        """Return a line of a watch for kopf, a bookmark in the place of some events that are taken.

        None for the others, and for a line without an object; ListAgainError if it is no event.
        """
        try:
            change = watch_event(line)
        except ExpiredError:
            return line + b"\n"
        except UnavailableError as error:
            self._failed(path, error)
            return _LIST_AGAIN
        except ValueError as error:
            unusable = UnavailableError(f"GET {path}: a line of the watch is not an event of the Kubernetes API")
            self._failed(path, unusable)
            raise ListAgainError(str(unusable)) from error
        if change is None:
            self.left_out(path, 1)
            return None
        self._pauses.succeeded(path)
        if change.kind != "BOOKMARK" and self._takes(path, change):
            self._taken[path] += 1
            return None if self._taken[path] % BOOKMARK_EVERY else _bookmark(change)
        if len(line) > _LONG_LINE:
            return json_bytes({"type": change.kind, "object": trimmed(change.resource)}) + b"\n"
        return line + b"\n"

    def _takes(self, path: str, change: Change) -> bool:
        taker = self._takers.get(path.rpartition("/")[2])
        return taker is not None and taker(change)

    def heard(self, path: str) -> None:
        """Take note of a watch's line."""
        self._silence.answered(path)

    def too_brief(self, path: str) -> None:
        """Take note of a watch that ended at once."""
        self._pause(path)

    def left_out(self, path: str, count: int) -> None:
        """Report items that are no objects."""
        log.error("answer contains items that are no objects", extra={"path": path, "count": count})
        self._on_left_out(path=path, count=count)

    def _failed(self, path: str, error: UnavailableError) -> None:
        log.warning("unusable answer of the API server", extra={"path": path, "error": str(error)})
        self._pause(path, named_wait_s=error.named_wait_s)

    def _pause(self, path: str, *, named_wait_s: float = 0) -> None:
        self._silence.waits(path, self._pauses.failed(path, named_wait_s=named_wait_s))


class WatchLines:
    """The content of a watch's answer, of which kopf gets only events; without content, a call to list again."""

    def __init__(self, content: aiohttp.StreamReader | None, guard: AnswerGuard, path: str) -> None:
        self._content = content
        self._guard = guard
        self._path = path

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield the lines, as kopf's only way to read a watch."""
        if self._content is None:
            yield _LIST_AGAIN
            return
        begun_s, clock, events = asyncio.get_running_loop().time(), asyncio.get_running_loop().time, 0
        try:
            async for line in _lines(self._content):
                events += 1
                self._guard.heard(self._path)
                if (checked := self._guard.line(self._path, line)) is not None:
                    yield checked
        finally:
            if not events and clock() < begun_s + _BRIEF_S:
                self._guard.too_brief(self._path)

    def exception(self) -> BaseException | None:
        """Return the error of the connection; aiohttp asks for it when it closes the answer."""
        return None if self._content is None else self._content.exception()

    def set_exception(self, error: BaseException, *cause: BaseException) -> None:
        """End the reading."""
        if self._content is not None:
            self._content.set_exception(error, *cause)


def _is_optional(url: URL) -> bool:
    """Return whether kopf passes over the document if it is not there: that of a version that nobody watches."""
    return "limit" not in url.query and "watch" not in url.query and url.path not in _DISCOVERY


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole lines that are not empty, and what follows the last one; ListAgainError if none comes any more."""
    rest = b""
    while piece := await _piece(content):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line:
                yield line
        if len(rest) > MAX_ANSWER_BYTES:
            break
    if rest:
        yield rest


async def _piece(content: aiohttp.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(DEAD_S):
            return await content.readany()
    except TimeoutError as error:
        raise ListAgainError(f"the watch has brought nothing for {DEAD_S:.0f} s") from error


def _bookmark(change: Change) -> bytes:
    version = change.resource["metadata"]["resourceVersion"]
    return json_bytes({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}) + b"\n"


def trimmed(item: Object) -> Object:
    """Return the object as far as the caches keep it: kopf holds each for half a second."""
    return json_depth.cut(strip_managed_fields(item))


def open_session(info: kopf.ConnectionInfo, guard: AnswerGuard) -> aiohttp.ClientSession:
    """Return a session whose answers are checked."""
    return aiohttp.ClientSession(
        # As many as there are watches, three for each namespace: one that waits for a connection would be a lost one.
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers() | {"User-Agent": f"{COMPONENT}/{__version__}"},
        response_class=CheckedResponse,
        middlewares=(guard,),
    )
