"""Requests as they reach the API server, over real HTTP: whose they are, and where they go."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from mediaimport_runtime.kubernetes.client import Client
from mediaimport_runtime.kubernetes.config import configuration
from mediaimport_runtime.kubernetes.errors import UnavailableError
from mediaimport_runtime.kubernetes.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

POD = {"metadata": {"name": "a"}}


class Server:
    """Answers each request with the same answer, and keeps them."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.status = 200

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.read())
        return web.json_response(POD, status=self.status, headers=self.headers)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        async with TestServer(app) as running:
            yield str(running.make_url("")).rstrip("/")


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def config(server: Server) -> AsyncIterator[Configuration]:
    async with server.serving() as url:
        made = Configuration()
        made.host = url
        yield made


@asynccontextmanager
async def client(config: Configuration) -> AsyncIterator[Client]:
    async with Session(config, user_agent="mediaimport-test/1") as session:
        yield Client(session)


async def test_each_request_has_the_token_as_it_is_now(server: Server, config: Configuration) -> None:
    tokens = iter(["bearer first", "bearer second"])

    def renew(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = next(tokens)

    config.api_key = {"BearerToken": "bearer stale"}
    setattr(config, "refresh_api_key_hook", renew)  # noqa: B010 - its type says None
    async with client(config) as api:
        await api.get("/api/v1/pods/a")
        await api.get("/api/v1/pods/a")
    assert [each.headers["Authorization"] for each in server.requests] == ["bearer first", "bearer second"]


async def test_name_and_password_of_a_kubeconfig_are_sent(
    server: Server, config: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": config.host}}],
        "users": [{"name": "u", "user": {"username": "ann", "password": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    async with client(await configuration()) as api:
        await api.get("/api/v1/pods/a")
    assert server.requests[0].headers["Authorization"] == "Basic YW5uOnNlY3JldA=="


async def test_request_without_credentials_has_none(server: Server, config: Configuration) -> None:
    async with client(config) as api:
        await api.get("/api/v1/pods/a")
    assert "Authorization" not in server.requests[0].headers


async def test_redirect_is_no_answer_and_takes_the_token_nowhere(server: Server, config: Configuration) -> None:
    server.status, server.headers = 307, {"Location": "/elsewhere"}
    config.api_key = {"BearerToken": "bearer t"}
    async with client(config) as api:
        with pytest.raises(UnavailableError):
            await api.create("/api/v1/pods", POD)
    assert [each.path for each in server.requests] == ["/api/v1/pods"]


async def test_cookies_of_a_balancer_are_not_kept(server: Server, config: Configuration) -> None:
    server.headers = {"Set-Cookie": "route=1; Path=/"}
    async with client(config) as api:
        await api.get("/api/v1/pods/a")
        await api.get("/api/v1/pods/a")
    assert "Cookie" not in server.requests[1].headers


async def test_proxy_is_the_kubeconfigs_and_not_the_environments(
    server: Server, config: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with client(config) as direct:
        await direct.get("/api/v1/pods/a")
    config.proxy, config.host = config.host, "http://api.example"
    async with client(config) as through:
        await through.get("/api/v1/pods/b")
    assert [(each.host, each.path) for each in server.requests][1] == ("api.example", "/api/v1/pods/b")


async def test_query_arrives_as_it_was_meant(server: Server, config: Configuration) -> None:
    query = {"labelSelector": "a/b=c,d in (e,f)", "continue": "x+y/z==&q%20"}
    async with client(config) as api:
        async for _ in api.stream("/api/v1/pods", query):
            pass
    assert dict(server.requests[0].query) == query


@pytest.mark.parametrize("value", ["Zürich \u2028", 2**70, "half \ud83d", {"deep": [[[]] * 3]}])
async def test_body_arrives_as_it_was_meant(server: Server, config: Configuration, value: Any) -> None:  # noqa: ANN401 - JSON
    async with client(config) as api:
        await api.patch("/api/v1/pods/a", {"status": {"value": value}})
    assert json.loads(server.bodies[0]) == {"status": {"value": value}}
    assert server.requests[0].headers["Content-Type"] == "application/merge-patch+json"
