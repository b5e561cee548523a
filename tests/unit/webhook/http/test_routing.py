from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.routing import Match, Route

if TYPE_CHECKING:
    from tests.support.webhook import RunningWebhook


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/media/0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01", "GET, PATCH, DELETE, HEAD"),
        ("GET", "/api/v1/media/import-from-url", "POST"),
        ("GET", "/api/v1/replicate/webhook", "POST"),
        ("OPTIONS", "/api/v1/stats", "GET, HEAD"),
    ],
)
def test_method_that_a_path_does_not_have_is_405_with_those_it_has(
    webhook: RunningWebhook, method: str, path: str, allowed: str
) -> None:
    answer = webhook.call(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"


def test_head_is_answered_as_get_is(webhook: RunningWebhook) -> None:
    assert webhook.call("HEAD", "/healthz", token=None).status_code == 200


SPELLINGS = ["/api/v1/media", "/api/v1/media/", "/api/v1/stats/", "/api/v1/media/import-from-url/", "/openapi.json/"]


@pytest.mark.parametrize("path", SPELLINGS)
def test_path_is_routed_with_and_without_a_slash_at_its_end(webhook: RunningWebhook, path: str) -> None:
    method = "POST" if "import" in path else "GET"
    assert webhook.call(method, path, json={}).status_code in {200, 422}


def test_no_route_redirects_to_another_scheme_or_host(webhook: RunningWebhook) -> None:
    for route in webhook.app.routes:
        path = getattr(route, "path", "").replace("{id}", "a").replace("{alias}", "a").replace("{file}", "a")
        for spelling in (path.rstrip("/"), path.rstrip("/") + "/"):
            answer = webhook.run(webhook._client.get(spelling))
            assert "://" not in answer.headers.get("location", ""), spelling


def test_both_spellings_are_one_route_in_the_metrics(webhook: RunningWebhook) -> None:
    for path in ("/api/v1/media", "/api/v1/media/"):
        webhook.call("GET", path)
    labels = {"method": "GET", "route": "/api/v1/media/", "status": "200"}
    assert webhook.sample("mediaimport_webhook_http_requests_total", **labels) == 2


@pytest.mark.parametrize("root_path", ["", "/base"])
@pytest.mark.parametrize(
    "path", ["/healthz", "/healthz/", "/healthz/a", "/api/v1/users/a%20b/media/c", "/api/v1/media/é"]
)
def test_routes_match_as_those_of_starlette_do(webhook: RunningWebhook, path: str, root_path: str) -> None:
    routes = [each for each in webhook.app.routes if isinstance(each, Route)]
    for type_ in ("http", "websocket"):
        scope = {"type": type_, "method": "GET", "path": root_path + path, "root_path": root_path}
        matches = [each.matches(scope) for each in routes]
        assert matches == [Route.matches(each, scope) for each in routes]
        if type_ == "http" and path == "/healthz":
            assert sum(match is Match.FULL for match, _ in matches) == 1
