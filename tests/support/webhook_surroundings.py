"""Surroundings of a webhook process, in a thread: API server, operator, store and generator, all on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from mimetypes import guess_type
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.fake_api.server import FakeApi
from tests.support.finishing_operator import finish_imports
from tests.support.webhook import SECRET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

NAMESPACE = "media"
_START_TIMEOUT_S = 10
_KEPT_EVENTS = 10_000
"""Of the API server's history: that of an hour would fill the memory."""
_MAX_BODY = 64 * 1024**2
_BYTES = "application/octet-stream"
_EXPIRED = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
_NO_SUCH_KEY = "<Error><Code>NoSuchKey</Code></Error>"


@dataclass
class _Store:
    """Bucket without assets, to which every upload came; it keeps what is written. A presigned URL ends as in S3."""

    objects: dict[str, bytes] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path
        if _has_ended(request.query):
            return web.Response(status=403, text=_EXPIRED, content_type="application/xml")
        if request.method == "PUT":
            if not self._is_expected(request):
                return web.Response(status=412)
            self.objects[path] = await request.read()
            return web.Response(headers=self._headers(path))
        if path in self.objects:
            return self._object(request)
        if request.method == "HEAD" and "/incoming/" in path:
            return web.Response()
        return web.Response(status=404, text=_NO_SUCH_KEY, content_type="application/xml")

    def _object(self, request: web.Request) -> web.Response:
        """Return the object or the part of it that is asked for, with the headers that the URL asks for."""
        content, part = self.objects[request.path], request.http_range
        headers = self._headers(request.path) | {"Accept-Ranges": "bytes"}
        headers["Content-Type"] = request.query.get("response-content-type") or guess_type(request.path)[0] or _BYTES
        if disposition := request.query.get("response-content-disposition"):
            headers["Content-Disposition"] = disposition
        if part == slice(None, None, 1):
            return web.Response(body=content, headers=headers)
        first, stop, _ = part.indices(len(content))
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{len(content)}"
        return web.Response(status=206, body=content[part], headers=headers)

    def _is_expected(self, request: web.Request) -> bool:
        """Return whether the conditions of a PUT hold."""
        path = request.path
        if request.headers.get("If-None-Match") == "*":
            return path not in self.objects
        expected = request.headers.get("If-Match")
        return expected is None or (path in self.objects and self._headers(path)["ETag"] == expected)

    def _headers(self, path: str) -> dict[str, str]:
        return {"ETag": f'"{hashlib.md5(self.objects[path], usedforsecurity=False).hexdigest()}"'}


def _has_ended(query: Mapping[str, str]) -> bool:
    """Return whether it is the query of a presigned URL that has ended."""
    if "X-Amz-Expires" not in query:
        return False
    signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    return datetime.now(UTC) > signed + timedelta(seconds=int(query["X-Amz-Expires"]))


@dataclass
class _Generator:
    """Replicate, whose predictions start and never end."""

    predictions: dict[str, dict[str, object]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            id_ = f"pred{len(self.predictions) + 1}"
            webhook = (await request.json()).get("webhook")
            self.predictions[id_] = {"id": id_, "status": "starting", "webhook": webhook}
            return web.json_response(self.predictions[id_], status=201)
        found = self.predictions.get(request.path.rpartition("/")[2])
        return web.json_response({"detail": "none"}, status=404) if found is None else web.json_response(found)


@dataclass
class Surroundings:
    """Servers that the webhook needs; `variables` lead it to them."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    _started: threading.Event = field(default_factory=threading.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            api = await stack.enter_async_context(FakeApi().serving())
            client = await stack.enter_async_context(api.client())
            store = await _serve(stack, _Store().answer)
            generator = await _serve(stack, _Generator().answer)
            self.variables |= {
                "KUBECONFIG": str(api.kubeconfig(self.folder)),
                "NAMESPACE": NAMESPACE,
                "S3_BUCKET_NAME": "media",
                "S3_ENDPOINT_URL": store,
                "S3_ADDRESSING_STYLE": "path",
                "S3_ACCESS_KEY_ID": "soak",
                "S3_SECRET_ACCESS_KEY": "soak-secret",
                "REPLICATE_API_TOKEN": "r8_token",
                "REPLICATE_BASE_URL": generator,
                "REPLICATE_WEBHOOK_SECRETS": SECRET,
                "FAL_USER_ID": "me",
                "FAL_JWKS_URL": f"{generator}/jwks.json",
            }
            tasks = [asyncio.create_task(each) for each in (finish_imports(client, NAMESPACE), _forget(api))]
            self._started.set()
            await self._stop.wait()
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @contextmanager
    def running(self) -> Iterator[Surroundings]:
        """Run them."""
        thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        thread.start()
        if not self._started.wait(_START_TIMEOUT_S):
            raise TimeoutError("the surroundings of the webhook did not start")
        assert self._loop is not None
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(_START_TIMEOUT_S)


async def _serve(stack: AsyncExitStack, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
    app = web.Application(client_max_size=_MAX_BODY)
    app.router.add_route("*", "/{path:.*}", handler)
    server = await stack.enter_async_context(TestServer(app))
    return str(server.make_url("")).rstrip("/")


async def _forget(api: FakeApi) -> None:
    """Keep the history short."""
    while True:
        await asyncio.sleep(1)
        if len(api.objects.history) > 2 * _KEPT_EVENTS:
            del api.objects.history[:-_KEPT_EVENTS]
            api.objects.oldest = api.objects.history[0].version - 1
        api.requests.clear()
