"""The API server's answers, over real HTTP: each becomes the error that says what to do next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration
from mediaimport_runtime.kubernetes.client import (
    AbsentError,
    Api,
    Call,
    ConflictError,
    RefusedError,
    UnavailableError,
)
from mediaimport_runtime.kubernetes.clock import Clock
from mediaimport_runtime.kubernetes.objects import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.anyio

ETCD_FULL = "etcdserver: mvcc: database space exceeded"


class Server:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.codes: list[int] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.nothing

    async def nothing(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        return await self.answer(request)

    def says(self, code: int, text: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=code, text=text)

        self.answer = answer


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)

    def on_request(*, method: str, path: str, code: int, watch: bool = False) -> None:
        assert (bool(method), bool(path), watch) == (True, True, False)
        server.codes.append(code)

    async with TestServer(app) as running:
        config = Configuration()
        config.host = str(running.make_url("")).rstrip("/")
        async with ApiClient(config) as client:
            yield Api(client, on_request=on_request, clock=Clock())


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (404, AbsentError),
        (409, ConflictError),
        (410, ConflictError),
        (400, RefusedError),
        (403, RefusedError),
        (413, RefusedError),
        (422, RefusedError),
        (401, UnavailableError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
async def test_an_answer_is_named_by_what_to_do_next(
    server: Server, api: Api, code: int, error: type[Exception]
) -> None:
    server.says(code, json.dumps({"message": "because"}))
    with pytest.raises(error, match=f"{code}: because"):
        await api.request(Call("GET", "/api/v1/pods"))
    assert server.codes == [code]


async def test_an_etcd_without_space_is_waited_for(server: Server, api: Api) -> None:
    server.says(500, json.dumps({"message": ETCD_FULL}))
    with pytest.raises(UnavailableError, match="database space exceeded"):
        await api.request(Call("PATCH", "/api/v1/pods/a", body={"status": {}}))


async def test_what_is_no_status_is_an_error_all_the_same(server: Server, api: Api) -> None:
    server.says(502, "<html>https://proxy.example/?token=secret")
    with pytest.raises(UnavailableError) as caught:
        await api.request(Call("GET", "/api/v1/pods"))
    assert "secret" not in str(caught.value)


async def test_an_answer_that_breaks_off_may_come_whole_later(server: Server, api: Api) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    server.answer = answer
    with pytest.raises(UnavailableError, match="GET /api/v1/pods"):
        await api.request(Call("GET", "/api/v1/pods"))


async def test_a_list_is_read_page_by_page(server: Server, api: Api) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        onward = {} if request.query.get("continue") else {"continue": "more"}
        number = 2 if request.query.get("continue") else 1
        return web.json_response({"metadata": {"resourceVersion": "9", **onward}, "items": [{"number": number}]})

    server.answer = answer
    items, version = await api.collect("/api/v1/pods", "a=b")
    assert ([unpack(each) for each in items], version) == ([{"number": 1}, {"number": 2}], "9")
    assert server.asked == [
        ("GET", "/api/v1/pods?limit=200&labelSelector=a%3Db"),
        ("GET", "/api/v1/pods?limit=200&labelSelector=a%3Db&continue=more"),
    ]


async def test_a_deletion_takes_the_pods_along_and_no_other_object(server: Server, api: Api) -> None:
    bodies = []

    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({})

    server.answer = answer
    await api.delete("/apis/batch/v1/namespaces/media/jobs/film", {"uid": "u"})
    assert bodies == [{"propagationPolicy": "Background", "preconditions": {"uid": "u"}}]
