"""The API server's answers, over real HTTP: each becomes the error that says what to do next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from mediaimport_runtime.kubernetes.answers import MAX_ANSWER_BYTES, PAGE_BYTES
from mediaimport_runtime.kubernetes.client import Call, Client
from mediaimport_runtime.kubernetes.clock import Clock
from mediaimport_runtime.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from mediaimport_runtime.kubernetes.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mediaimport_runtime.kubernetes.objects import Object

pytestmark = pytest.mark.anyio

ETCD_FULL = "etcdserver: mvcc: database space exceeded"


class Server:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.left_out = 0
        self.asked: list[tuple[str, str]] = []
        self.codes: list[int] = []
        self.watches = 0
        self.headers: list[str] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.nothing

    async def nothing(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        self.headers.append(request.headers["User-Agent"])
        return await self.answer(request)

    def says(self, code: int, text: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=code, text=text)

        self.answer = answer


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)

    def on_request(*, method: str, path: str, code: int, watch: bool = False) -> None:
        assert method
        assert path
        server.watches += watch
        server.codes.append(code)

    def on_left_out(*, path: str, count: int) -> None:
        assert path == "/api/v1/pods"
        server.left_out += count

    async with TestServer(app) as running:
        config = Configuration()
        config.host = str(running.make_url("")).rstrip("/")
        async with Session(config, user_agent="mediaimport-test/1") as session:
            yield Client(
                session,
                field_manager="mediaimport-test",
                on_request=on_request,
                on_left_out=on_left_out,
                clock=Clock(),
            )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (404, NotFoundError),
        (409, ConflictError),
        (410, ExpiredError),
        (400, InvalidError),
        (403, ForbiddenError),
        (413, InvalidError),
        (422, InvalidError),
        (401, UnavailableError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
async def test_an_answer_is_named_by_what_to_do_next(
    server: Server, api: Client, code: int, error: type[Exception]
) -> None:
    server.says(code, json.dumps({"message": "because"}))
    with pytest.raises(error, match=f"{code}: because"):
        await api.request(Call("GET", "/api/v1/pods"))
    assert server.codes == [code]


async def test_an_etcd_without_space_is_waited_for(server: Server, api: Client) -> None:
    server.says(500, json.dumps({"message": ETCD_FULL}))
    with pytest.raises(UnavailableError, match="database space exceeded"):
        await api.request(Call("PATCH", "/api/v1/pods/a", body={"status": {}}))


async def test_what_is_no_status_is_an_error_all_the_same(server: Server, api: Client) -> None:
    server.says(502, "<html>https://proxy.example/?token=secret")
    with pytest.raises(UnavailableError) as caught:
        await api.request(Call("GET", "/api/v1/pods"))
    assert "secret" not in str(caught.value)


async def test_an_answer_that_breaks_off_may_come_whole_later(server: Server, api: Client) -> None:
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


async def test_list_of_metadata_whose_items_are_null_is_empty(server: Server, api: Client) -> None:
    server.says(
        200, json.dumps({"kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "9"}, "items": None})
    )
    assert (await api.page("/api/v1/pods", metadata_only=True)).items == []


async def listed(api: Client, selector: str = "") -> tuple[list[str], str]:
    """The names in a list, and its resourceVersion."""
    items: list[Object] = []
    version = await api.list_each("/api/v1/pods", selector, take=items.append)
    return [each["metadata"]["name"] for each in items], version


async def test_a_list_is_read_page_by_page(server: Server, api: Client) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        onward = {} if request.query.get("continue") else {"continue": "more"}
        number = 2 if request.query.get("continue") else 1
        items = [{"metadata": {"name": f"a{number}"}}]
        return web.json_response({"metadata": {"resourceVersion": "9", **onward}, "items": items})

    server.answer = answer
    assert await listed(api, "a=b") == (["a1", "a2"], "9")
    assert server.asked == [
        ("GET", "/api/v1/pods?limit=200&labelSelector=a%3Db"),
        ("GET", "/api/v1/pods?limit=200&labelSelector=a%3Db&continue=more"),
    ]


async def test_a_deletion_takes_the_pods_along_and_no_other_object(server: Server, api: Client) -> None:
    bodies = []

    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({})

    server.answer = answer
    await api.delete("/apis/batch/v1/namespaces/media/jobs/film", {"uid": "u"})
    assert bodies == [{"propagationPolicy": "Background", "preconditions": {"uid": "u"}}]


async def test_a_proxys_page_with_200_is_an_answer_that_may_come_right_later(server: Server, api: Client) -> None:
    server.says(200, "<html>welcome</html>")
    with pytest.raises(UnavailableError, match="GET /api/v1/pods/a: the answer is not JSON of the Kubernetes API"):
        await api.get("/api/v1/pods/a")
    with pytest.raises(UnavailableError, match="not JSON"):
        await listed(api)


@pytest.mark.parametrize(
    "body", ["{}", '{"metadata": 1, "items": []}', '{"metadata": {}, "items": []}', "[]", "[" * 100_000]
)
async def test_a_list_that_is_none_is_named(server: Server, api: Client, body: str) -> None:
    server.says(200, body)
    with pytest.raises(UnavailableError, match="GET /api/v1/pods: the answer is not"):
        await listed(api)


async def test_only_a_create_finds_its_name_taken(server: Server, api: Client) -> None:
    server.says(409, json.dumps({"message": "because"}))
    with pytest.raises(AlreadyExistsError):
        await api.create("/api/v1/pods", {})
    for write in (api.patch("/api/v1/pods/a", {}), api.replace("/api/v1/pods/a", {}), api.delete("/api/v1/pods/a")):
        with pytest.raises(ConflictError) as caught:
            await write
        assert not isinstance(caught.value, AlreadyExistsError)


async def test_a_list_whose_place_expires_in_the_middle_is_begun_again_by_the_caller(
    server: Server, api: Client
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("continue"):
            return web.json_response({"message": "too old"}, status=410)
        return web.json_response({"metadata": {"resourceVersion": "9", "continue": "more"}, "items": []})

    server.answer = answer
    with pytest.raises(ExpiredError):
        await listed(api)


@pytest.mark.parametrize(
    ("header", "wait_s", "named_wait_s"),
    [("17", 17, 17), ("", 5, 0), ("soon", 5, 0), ("1" * 400, 5, 0), ("9000", 9000, 300)],
)
async def test_a_wait_that_the_server_asks_for_is_told(
    server: Server, api: Client, header: str, wait_s: int, named_wait_s: int
) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "slow down"}, status=429, headers={"Retry-After": header})

    server.answer = answer
    with pytest.raises(UnavailableError) as caught:
        await api.get("/api/v1/pods/a")
    assert (caught.value.retry_after_s, caught.value.named_wait_s) == (wait_s, named_wait_s)


async def test_requests_name_the_program_and_writes_their_field_manager(server: Server, api: Client) -> None:
    server.says(200, json.dumps({"metadata": {"name": "a"}}))
    await api.get("/api/v1/pods/a")
    await api.create("/api/v1/pods", {})
    await api.patch("/api/v1/pods/a", {})
    assert set(server.headers) == {"mediaimport-test/1"}
    assert [path for _, path in server.asked] == [
        "/api/v1/pods/a",
        "/api/v1/pods?fieldManager=mediaimport-test",
        "/api/v1/pods/a?fieldManager=mediaimport-test",
    ]


async def watched(api: Client) -> list[tuple[str, str]]:
    changes = api.watch("/api/v1/pods", "7", selector="b=c")
    return [(each.kind, each.resource["metadata"]["resourceVersion"]) async for each in changes]


def event(kind: str, **meta: str) -> str:
    return json.dumps({"type": kind, "object": {"metadata": meta}}) + "\n"


async def test_a_watch_asks_for_bookmarks_and_yields_events(server: Server, api: Client) -> None:
    server.says(200, event("ADDED", name="a", resourceVersion="1") + event("BOOKMARK", resourceVersion="2"))
    assert await watched(api) == [("ADDED", "1"), ("BOOKMARK", "2")]
    (asked,) = server.asked
    for part in (
        "watch=1",
        "allowWatchBookmarks=true",
        "resourceVersion=7",
        "timeoutSeconds=300",
        "labelSelector=b%3Dc",
    ):
        assert part in asked[1]
    assert server.watches == 1


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"type": "ERROR", "object": {"code": 410}}', ExpiredError),
        ('{"type": "ERROR", "object": {"code": 500, "reason": "etcd leader changed"}}', UnavailableError),
        ('{"type": "ERROR", "object": 1}', UnavailableError),
        ("<html>", UnavailableError),
        ("[]", UnavailableError),
        ('{"type": "RENAMED", "object": {}}', UnavailableError),
        ('{"type": ["ADDED"], "object": {}}', UnavailableError),
    ],
)
async def test_a_watch_that_ends_in_an_error_says_what_to_do_next(
    server: Server, api: Client, line: str, error: type[Exception]
) -> None:
    server.says(200, line + "\n")
    with pytest.raises(error):
        await watched(api)


async def test_a_watch_leaves_out_what_is_no_object(server: Server, api: Client) -> None:
    odd = '{"type": "ADDED", "object": null}\n' + event("MODIFIED") + event("BOOKMARK") + event("DELETED", name="b")
    server.says(200, odd + event("ADDED", name="a", resourceVersion="1"))
    assert await watched(api) == [("ADDED", "1")]
    assert server.left_out == 4


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "null",
        "[]",
        '{"metadata": null}',
        '{"metadata": {}}',
        '{"metadata": {"name": ""}}',
        '{"metadata": {"name": 1}}',
        '{"metadata": {"name": "a", "uid": 1}}',
        '{"metadata": {"name": "a", "resourceVersion": 7}}',
        '{"metadata": {"name": "a", "labels": []}}',
        '{"metadata": {"name": "a"}, "spec": "x"}',
        '{"metadata": {"name": "a"}, "status": 1}',
        '{"message": "please log in"}',
    ],
)
async def test_an_object_that_is_none_is_named(server: Server, api: Client, body: str) -> None:
    server.says(200, body)
    path = "/api/v1/pods/a"
    for method, request in (
        ("GET", api.get(path)),
        ("POST", api.create(path, {})),
        ("PUT", api.replace(path, {})),
        ("PATCH", api.patch(path, {})),
    ):
        with pytest.raises(UnavailableError, match=f"^{method} /api/v1/pods/a: the answer is not"):
            await request


@pytest.mark.parametrize(
    "items", [[None], [1, "a", []], [{}], [{"metadata": None}], [{"metadata": {"uid": "u"}}]], ids=str
)
async def test_items_that_are_no_objects_are_left_out_and_counted(
    server: Server, api: Client, items: list[object]
) -> None:
    server.says(200, json.dumps({"metadata": {"resourceVersion": "9"}, "items": [*items, {"metadata": {"name": "a"}}]}))
    assert await listed(api) == (["a"], "0")
    assert server.left_out == len(items)


@pytest.mark.parametrize("version", ["abc", 7, None, "-1", "²", ""])
async def test_a_list_whose_version_is_no_number_is_none(server: Server, api: Client, version: object) -> None:
    server.says(200, json.dumps({"metadata": {"resourceVersion": version}, "items": []}))
    with pytest.raises(UnavailableError, match="not a list"):
        await listed(api)


class Objects:
    """Lists objects of these sizes, in pages as the API server does."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.limits: list[int] = []

    async def __call__(self, request: web.Request) -> web.Response:
        start, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        self.limits.append(limit)
        sizes = self.sizes[start : start + limit]
        items = [{"metadata": {"name": f"a{start + each}"}, "x": "x" * size} for each, size in enumerate(sizes)]
        meta = {"resourceVersion": "9"}
        if start + limit < len(self.sizes):
            meta["continue"] = str(start + limit)
        return web.json_response({"metadata": meta, "items": items})


async def test_pages_of_large_objects_are_short_and_pages_of_small_ones_whole(server: Server, api: Client) -> None:
    server.answer = objects = Objects([PAGE_BYTES // 2] * 12 + [1000] * 400)
    names, _ = await listed(api)
    assert names == [f"a{number}" for number in range(412)]
    assert objects.limits[:5] == [200, 50, 12, 3, 1]
    assert max(objects.limits[-2:]) > 50
    assert len(objects.limits) < 40


async def test_single_object_may_be_longer_than_a_page(server: Server, api: Client) -> None:
    server.answer = Objects([2 * PAGE_BYTES] * 3)
    assert len((await listed(api))[0]) == 3


async def test_answer_without_end_is_given_up(server: Server, api: Client) -> None:
    server.answer = Objects([MAX_ANSWER_BYTES])
    with pytest.raises(UnavailableError, match=f"the answer has more than {MAX_ANSWER_BYTES} bytes"):
        await listed(api)
