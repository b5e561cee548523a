"""The fake API server: single objects, lists in pages, watches with bookmarks, logs; on a free port of loopback."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from mediaimport_runtime.kubernetes.client import TIMEOUT_S, Client
from mediaimport_runtime.kubernetes.session import Session

from tests.support.fake_api.discovery import document
from tests.support.fake_api.faults import Act, Fault, Hang, answer
from tests.support.fake_api.objects import Event, Objects, Refusal, Target, selects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mediaimport_runtime.kubernetes.clock import Clock
    from mediaimport_runtime.kubernetes.objects import Object

_WATCH_DELAY_S = 0.01


@dataclass
class Log:
    """A container's log, which grows."""

    text: bytes = b""
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, *lines: bytes) -> None:
        self.text += b"".join(line + b"\n" for line in lines)
        self.changed.set()


class FakeApi:
    """The server. `requests` are those that have come, as `METHOD /path?query`; `streams` the logs followed now."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.logs: dict[str, Log] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.streams = 0
        self.most_streams = 0
        self.bookmark_s = 60.0
        self.url = ""

    # --- for tests ---

    def fault(self, pattern: str, act: Act, *, times: int | None = None) -> Fault:
        """Answer requests whose `METHOD /path?query` matches with a fault, the newest fault first."""
        made = Fault(re.compile(pattern), act, times)
        self.faults.insert(0, made)
        return made

    def hang(self, pattern: str, *, late: bool = False) -> tuple[Fault, Hang]:
        """Never answer requests that match, until the Hang is ended."""
        hang = Hang(late=late)
        return self.fault(pattern, hang), hang

    def heal(self) -> None:
        """Take all faults away; what hangs breaks off."""
        for each in self.faults:
            if isinstance(each.act, Hang):
                each.act.end()
        self.faults.clear()

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that names this server, for programs of their own."""
        file = folder / "kubeconfig"
        context = {"name": "fake", "context": {"cluster": "fake", "user": "fake"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": "token"}}],
            "contexts": [context],
        }
        file.write_text(json.dumps(config))
        return file

    def put(self, kind: str, item: Object) -> Object:
        """Store an object as it is."""
        return self.objects.put(kind, item)

    def counted(self, pattern: str) -> int:
        """Return the number of requests so far that match."""
        return sum(re.search(pattern, each) is not None for each in self.requests)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeApi]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        async with TestServer(app) as running:
            self.url = str(running.make_url("")).rstrip("/")
            try:
                yield self
            finally:
                self.heal()
                for log in self.logs.values():
                    log.ended = True
                    log.changed.set()

    @asynccontextmanager
    async def client(
        self,
        *,
        connections: int = 8,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
        field_manager: str = "test",
    ) -> AsyncIterator[Client]:
        """Open a client of the programs' own kind."""
        config = Configuration()
        config.host = self.url
        config.connection_pool_maxsize = connections
        async with Session(config, user_agent="test") as opened:
            yield Client(opened, field_manager=field_manager, clock=clock, timeout_s=timeout_s)

    # --- requests ---

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        for fault in self.faults:
            if fault.takes(request):
                instead = await fault.act(request)
                if instead is not None:
                    return instead
                break
        if (found := document(request.path)) is not None:
            return web.json_response(found)
        try:
            return await self._answer(request, Target.parse(request.path))
        except Refusal as refusal:
            return web.json_response(refusal.status(), status=refusal.code)

    async def _answer(self, request: web.Request, at: Target) -> web.StreamResponse:
        if at.part == "log":
            return await self._log(request, at)
        if request.query.get("watch"):
            return await self._watch(request, at)
        if request.method == "GET":
            return web.json_response(self.objects.get(at) if at.name else self._list(request, at))
        write = {
            "POST": self.objects.create,
            "PUT": self.objects.replace,
            "PATCH": self.objects.patch,
            "DELETE": self.objects.delete,
        }[request.method]
        body: Object = await request.json() if request.can_read_body else {}
        return web.json_response(write(at, body), status=201 if request.method == "POST" else 200)

    def _list(self, request: web.Request, at: Target) -> Object:
        """Return a page; a continue token is the version of the list's first page and the place in it."""
        selector, limit = request.query.get("labelSelector", ""), int(request.query.get("limit", "0"))
        version, start = self.objects.version, 0
        if token := request.query.get("continue"):
            version, start = json.loads(token)
            if version < self.objects.oldest:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
        items = [each for each in self.objects.of(at.kind, at.namespace) if selects(selector, each)]
        end = start + limit if limit else len(items)
        meta = {"resourceVersion": str(version)}
        if end < len(items):
            meta["continue"] = json.dumps([version, end])
        # As the real one, it says null where a list of metadata is empty.
        nothing: list[Object] | None = None if "PartialObjectMetadataList" in request.headers.get("Accept", "") else []
        return {"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items[start:end] or nothing}

    # --- watches ---

    async def _watch(self, request: web.Request, at: Target) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        version = int(request.query.get("resourceVersion") or self.objects.version)
        if version < self.objects.oldest:
            gone = Refusal(410, "Expired", f"too old resource version: {version}").status()
            await _send(response, "ERROR", gone)
            return response
        until = asyncio.get_running_loop().time() + float(request.query.get("timeoutSeconds", "300"))
        bookmarks = request.query.get("allowWatchBookmarks") in {"1", "true"}
        while (left := until - asyncio.get_running_loop().time()) > 0:
            version = await self._send_changes(response, request, at, version)
            if not await self._changed(version, min(left, self.bookmark_s)) and bookmarks:
                meta = {"resourceVersion": str(self.objects.version)}
                await _send(response, "BOOKMARK", {"kind": at.kind, "metadata": meta})
        return response

    async def _changed(self, version: int, wait_s: float) -> bool:
        """Wait for a version after that one; return whether there is one."""
        if self.objects.version > version:
            return True
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            # A test may write from a thread of its own.
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        self.objects.listeners.add(tell)
        try:
            async with asyncio.timeout(wait_s):
                await changed.wait()
        except TimeoutError:
            return self.objects.version > version
        finally:
            self.objects.listeners.discard(tell)
        # What is written in one go is sent in one go, and whoever wrote it has the answer first.
        await asyncio.sleep(_WATCH_DELAY_S)
        return True

    async def _send_changes(self, response: web.StreamResponse, request: web.Request, at: Target, version: int) -> int:
        selector = request.query.get("labelSelector", "")
        until = self.objects.version
        for event in [each for each in self.objects.history if version < each.version <= until]:
            if event.kind == at.kind and (seen := _as_seen(event, at, selector)):
                await _send(response, seen, event.item)
        return until

    # --- logs ---

    async def _log(self, request: web.Request, at: Target) -> web.StreamResponse:
        if at.name not in self.logs:
            raise Refusal(404, "NotFound", f'pods "{at.name}" not found')
        log = self.logs[at.name]
        if request.query.get("follow") != "true":
            lines = log.text.splitlines(keepends=True)[-int(request.query.get("tailLines", "1000000")) :]
            return web.Response(body=b"".join(lines)[: int(request.query.get("limitBytes", "1000000"))])
        response = web.StreamResponse()
        await response.prepare(request)
        self.streams += 1
        self.most_streams = max(self.streams, self.most_streams)
        try:
            await _follow(response, log)
        finally:
            self.streams -= 1
        return response


async def _follow(response: web.StreamResponse, log: Log) -> None:
    sent = 0
    while True:
        log.changed.clear()
        if piece := log.text[sent:]:
            await response.write(piece)
            sent += len(piece)
        if log.ended:
            return
        await log.changed.wait()


def _as_seen(event: Event, at: Target, selector: str) -> str:
    """Return the change's type as that watch reports it; an empty string if it does not."""
    if at.namespace and event.item["metadata"]["namespace"] != at.namespace:
        return ""
    before = event.before is not None and selects(selector, event.before)
    after = event.type != "DELETED" and selects(selector, event.item)
    if after:
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else ""


async def _send(response: web.StreamResponse, kind: str, item: Object) -> None:
    await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")


def html(code: int = 200) -> Act:
    """Answer a proxy's page."""
    return answer(code, "<html>welcome</html>")
