"""Routes of the webhook, as a frontend and Replicate use them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.replicate.callbacks import finished_prediction, signed

if TYPE_CHECKING:
    from tests.support.installation.world import World

PROBLEM = "application/problem+json"


@pytest.mark.parametrize("fault", ["wrong", "old", "none"])
def test_callback_not_signed_by_replicate_is_refused(world: World, anonymous: httpx.Client, fault: str) -> None:
    before = world.names()
    now = datetime.now(UTC)
    body = finished_prediction("https://example.com/never.mp4")
    headers = {
        "wrong": signed(body + " ", at=now),
        "old": signed(body, at=now - timedelta(seconds=400)),
        "none": {},
    }[fault]
    answer = anonymous.post("/api/v1/replicate/webhook", content=body, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == PROBLEM
    assert world.names() == before


def test_callback_delivered_twice_creates_one_import(world: World, anonymous: httpx.Client) -> None:
    body = finished_prediction(world.file_url())
    for _ in range(2):
        headers = signed(body)
        assert anonymous.post("/api/v1/replicate/webhook", content=body, headers=headers).is_success
    name = world.import_of(json.loads(body)["id"])
    world.wait_for_phase(name, "Ready")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"url": "file:///etc/passwd"}, 422, "url"),
        ({"url": "http://169.254.169.254/"}, 422, "url"),
        ({"url": "https://example.com/a.mp4", "colour": "red"}, 422, "colour"),
        ({"url": "https://example.com/a.mp4", "userId": "bob"}, 422, "userId"),
        ({"url": "https://example.com/a.mp4", "metadata": {"x": "y" * 9000}}, 422, "metadata"),
        ({}, 422, "url"),
        ("{broken", 400, "JSON"),
        ("x" * 10_000_000, 413, "bytes"),
    ],
    ids=["file", "private", "unknown", "user", "metadata", "empty", "broken", "large"],
)
def test_a_bad_import_request_is_a_problem_that_names_the_field(
    world: World, webhook: httpx.Client, body: object, status: int, field: str
) -> None:
    before = world.names()
    content = body if isinstance(body, str) else json.dumps(body)
    answer = webhook.post(
        "/api/v1/media/import-from-url", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    assert field in answer.text
    assert world.names() == before


def test_request_without_a_token_is_refused(anonymous: httpx.Client) -> None:
    for path in ("/api/v1/media/", "/api/v1/media/0b6d2c1e-54a7-4d0e-9a55-0c3f3f1f7a01"):
        assert anonymous.get(path).status_code == 401


def test_a_frontend_imports_polls_and_fetches(world: World, webhook: httpx.Client) -> None:
    answer = webhook.post(
        "/api/v1/media/import-from-url",
        json={"url": world.file_url(), "name": "film.mp4", "metadata": {"shot": 7, "width": "not this"}},
    )
    assert answer.status_code == 202
    asset_id = answer.json()["asset_id"]
    assert webhook.get(f"/api/v1/media/{asset_id}").json()["status"] == "uploading"
    media = world.finished_asset(webhook, asset_id)
    assert media["status"] == "ready"
    assert media["metadata"] | {"shot": 7, "width": 1280, "height": 720, "codec": "h264"} == media["metadata"]
    assert media["metadata"]["duration"] == pytest.approx(5.28, abs=0.1)
    film = httpx.get(media["url"], verify=world.tls)
    assert film.status_code == 200
    assert film.content == world.film
    assert httpx.get(media["thumbnail_url"], verify=world.tls).content.startswith(b"\xff\xd8\xff")
    listed = webhook.get("/api/v1/media/", params={"limit": 5}).json()["assets"]
    assert asset_id in [each["id"] for each in listed]


def test_asset_outlives_its_resource(world: World, webhook: httpx.Client) -> None:
    name = world.create("outlived", {"source": {"url": world.file_url()}, "userId": "default"})
    asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
    world.kubectl("delete", "mi", name, "--wait")
    world.wait_until(lambda: webhook.get(f"/api/v1/media/{asset['id']}").json().get("status") == "ready", "the asset")


def test_health_routes_answer(anonymous: httpx.Client) -> None:
    assert anonymous.get("/healthz").status_code == 200
    assert anonymous.get("/readyz").status_code == 200


def test_page_of_the_api_is_served_by_the_image(anonymous: httpx.Client) -> None:
    page = anonymous.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "page.js", "favicon-32x32.png"):
        assert f'"docs/{name}"' in page.text
        assert anonymous.get(f"/docs/{name}").status_code == 200


def test_failed_prediction_is_an_event_of_the_webhooks_deployment(world: World, anonymous: httpx.Client) -> None:
    failed = json.loads(finished_prediction(f"https://example.com/{datetime.now(UTC).timestamp()}.mp4"))
    body = json.dumps(failed | {"status": "failed", "output": None, "error": "out of memory"})
    answer = anonymous.post("/api/v1/replicate/webhook", content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    about = "involvedObject.kind=Deployment,reason=PredictionNotSucceeded"
    events = json.loads(world.kubectl("get", "events", "--field-selector", about, "-o", "json"))["items"]
    (event,) = [each for each in events if failed["id"] in each["message"]]
    assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "e2e-webhook")
