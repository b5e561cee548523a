"""Sign-in configuration of the page, whatever the issuer says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_webhook.access.discovery import Discovery, Endpoints
from mediaimport_webhook.gallery.sign_in import SignIn
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.settings import Oidc

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook, Start

ISSUER = "https://login.test/realm"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.test/authorize?tenant=1",
    "token_endpoint": "https://tokens.test:8443/token",
}


class World:
    def __init__(self, content: object = DOCUMENT) -> None:
        self.content = content
        self.down = False
        self.requests = 0
        self.now = 0.0
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.discovery = Discovery(http, ISSUER, monotonic=lambda: self.now)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == f"{ISSUER}/.well-known/openid-configuration"
        self.requests += 1
        return httpx.Response(503) if self.down else httpx.Response(200, json=self.content)

    def endpoints(self) -> Endpoints | None:
        return asyncio.run(self.discovery.endpoints())

    def sign_in(self, audience: str) -> SignIn:
        return SignIn(Oidc(ISSUER, audience, None, "groups", None, "gallery"), "gallery", self.discovery)


def test_page_gets_the_access_token_of_another_audience_and_its_own_id_token() -> None:
    config = asyncio.run(World().sign_in("mediaimport").config())
    assert (config["token"], config["audience"], config["scope"]) == ("access_token", "mediaimport", "openid")
    assert config["token_endpoint"] == "https://tokens.test:8443/token"
    config = asyncio.run(World().sign_in("gallery").config())
    assert (config["token"], config["audience"]) == ("id_token", None)


def test_document_is_read_again_after_ten_minutes_and_kept_while_the_issuer_is_away() -> None:
    world = World()
    found = world.endpoints()
    assert found == Endpoints(DOCUMENT["authorization_endpoint"], DOCUMENT["token_endpoint"])
    world.now = 599
    assert world.endpoints() == found
    assert world.requests == 1
    world.now, world.down = 601, True
    assert world.endpoints() == found
    assert world.requests == 2


def test_issuer_that_does_not_answer_is_asked_once_in_ten_seconds() -> None:
    world = World()
    world.down = True
    assert [world.endpoints() for _ in range(5)] == [None] * 5
    assert world.requests == 1
    with pytest.raises(Problem, match="does not answer"):
        asyncio.run(world.sign_in("gallery").config())
    assert asyncio.run(world.sign_in("gallery").origins()) == []
    world.now, world.down = 11, False
    assert world.endpoints() is not None


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        DOCUMENT | {"issuer": "https://evil.test"},
        DOCUMENT | {"token_endpoint": "javascript:alert(1)"},
        DOCUMENT | {"token_endpoint": "https://tokens.test; script-src *"},
        DOCUMENT | {"token_endpoint": "https://user@tokens.test/"},
        DOCUMENT | {"authorization_endpoint": None},
    ],
)
def test_document_that_says_something_else_is_none(content: object) -> None:
    assert World(content).endpoints() is None


def config_of(webhook: RunningWebhook) -> httpx.Response:
    return webhook.run(webhook._client.get("/gallery/config.json"))


def test_page_may_connect_to_the_token_endpoint_alone(start: Start) -> None:
    webhook = start(
        OIDC_ISSUER=ISSUER, OIDC_AUDIENCE="mediaimport", OIDC_CLIENT_ID="gallery", OIDC_SCOPES="openid,email"
    )
    webhook.replicate.answers["/realm/.well-known/openid-configuration"] = httpx.Response(200, json=DOCUMENT)
    assert config_of(webhook).json()["oidc"]["scope"] == "openid email"
    policy = webhook.run(webhook._client.get("/gallery")).headers["content-security-policy"]
    assert "; connect-src 'self' https://cdn.test https://tokens.test:8443; " in policy
    assert policy.count("tokens.test") == 1


def test_page_loads_while_the_issuer_is_away(start: Start) -> None:
    webhook = start(OIDC_ISSUER=ISSUER, OIDC_AUDIENCE="mediaimport", OIDC_CLIENT_ID="gallery")
    webhook.replicate.answers["/realm/.well-known/openid-configuration"] = httpx.Response(500)
    assert webhook.run(webhook._client.get("/gallery")).status_code == 200
    assert config_of(webhook).status_code == 503


@pytest.mark.parametrize("own", [{}, {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "mediaimport"}])
def test_nothing_is_told_without_a_client(start: Start, own: dict[str, str]) -> None:
    assert config_of(start(**own)).json() == {"oidc": None}
