"""Either client in Python, called from a synchronous test, and a server that is ill."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import AsyncGenerator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import httpx
from mediaimport_client import AssetFailedError, AsyncMediaImport, MediaImport

from tests.support.webhook_process import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mediaimport_client.types import Asset

FILM = "https://example.com/film.mp4"


class Driver:
    """Calls either client from a synchronous test."""

    def __init__(self, kind: type[MediaImport | AsyncMediaImport]) -> None:
        self.kind = kind
        self._runner = asyncio.Runner()
        self._open: list[AsyncGenerator[Any, None]] = []
        self.client: Any = None

    def open(
        self, url: str, token: str | Callable[[], str] = TOKEN, answer: Callable[[httpx.Request], Any] | None = None
    ) -> Driver:
        transport = None if answer is None else httpx.MockTransport(answer)
        http = httpx.Client if self.kind is MediaImport else httpx.AsyncClient
        self.client = self.kind(url, token, retries=2, http=http(transport=transport))  # type: ignore[arg-type]
        return self

    def __call__(self, name: str, /, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - either client's
        result = attrgetter(name)(self.client)(*arguments, **options)
        return self._runner.run(result) if inspect.iscoroutine(result) else result

    def iterate(self, name: str, *arguments: Any, **options: Any) -> Iterator[Any]:  # noqa: ANN401 - either client's
        items = getattr(self.client, name)(*arguments, **options)
        if not isinstance(items, AsyncGenerator):
            yield from items
            return
        self._open.append(items)
        while True:
            try:
                yield self._runner.run(anext(items))
            except StopAsyncIteration:
                return

    def close(self) -> None:
        if isinstance(self.client, MediaImport):
            self.client.close()
        elif self.client is not None:
            for each in self._open:
                self._runner.run(each.aclose())
            self._runner.run(self.client.aclose())
        self._runner.close()

    def imported(self, status: str) -> Asset:
        """Return an asset that ended so: the stand-in for the operator lets one of four fail."""
        while True:
            accepted = self("import_url", FILM, name="film.mp4")
            asset: Asset
            try:
                asset = self("wait", accepted["asset_id"], timeout_s=60)
            except AssetFailedError as error:
                asset = error.asset
            if asset["status"] == status:
                return asset


class Ill:
    """A server that answers what a test says, in turn; an exception is a connection that broke."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = itertools.chain(answers, itertools.repeat(httpx.Response(503)))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer
