"""The client in Python, with and without an event loop, against a running webhook and against one that is ill."""

from __future__ import annotations

import inspect
import io
import itertools
import json
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from mediaimport_client import (
    AssetChanged,
    AssetFailedError,
    AssetGone,
    AsyncMediaImport,
    AsyncWebhooks,
    MediaImport,
    ProblemError,
    Reset,
    WaitTimeoutError,
    Webhooks,
)
from mediaimport_client.stream import StreamParser

from tests.support.client_driver import FILM, Driver, Ill
from tests.support.webhook_process import ADMIN_TOKEN, TOKEN

ROOT = Path(__file__).parents[3]
DELETED = {"deleted", "not-found"}
"""A deleted asset is told until its resource is gone; the stand-in for the operator leaves no tombstone."""


def test_import_is_waited_for_shown_listed_run_again_and_deleted(driver: Driver, url: str) -> None:
    driver.open(url + "/", lambda: TOKEN)
    asset = driver.imported("ready")
    assert asset["metadata"]["codec"] == "h264"
    assert driver("get", asset["id"], download=True)["url"] != asset["url"]
    edited = driver("edit", asset["id"], name="cut.mp4", metadata={"scene": 4})
    assert (edited["name"], edited["metadata"]["scene"]) == ("cut.mp4", 4)
    cleared = driver("edit", asset["id"], metadata={"scene": None})
    assert (cleared["name"], "scene" in cleared["metadata"]) == ("cut.mp4", False)
    assert driver("get", asset["id"])["name"] == "cut.mp4"
    listed = [each["id"] for each in driver.iterate("list", status="ready", limit=1)]
    assert asset["id"] in listed
    assert len(listed) == len(set(listed))
    assert [each["id"] for each in driver("page", ids=[asset["id"]])["assets"]] == [asset["id"]]
    assert driver("retry", asset["id"])["asset_id"] == asset["id"]
    driver("wait", asset["id"], timeout_s=60)
    driver("delete", asset["id"])
    with pytest.raises(ProblemError) as gone:
        driver("get", asset["id"])
    assert gone.value.slug in DELETED
    assert driver("stats")["total"] >= 0
    assert driver("delete_job", "no such prediction") == []
    usage = driver("usage", user="somebody-else")
    assert usage["user"] != "somebody-else"
    assert usage["total"]["bytes"] >= usage["duplicates"]["bytes"]


def test_admin_reads_edits_and_deletes_the_asset_of_a_user(driver: Driver, url: str) -> None:
    asset = driver.open(url).imported("ready")
    with closing(Driver(driver.kind)) as admin:
        assert admin.open(url, ADMIN_TOKEN)("get", asset["id"], user="default")["id"] == asset["id"]
        assert admin("edit", asset["id"], user="default", name="cut.mp4")["name"] == "cut.mp4"
        with pytest.raises(ProblemError) as elsewhere:
            admin("get", asset["id"], user="nobody")
        admin("delete", asset["id"], user="default")
    assert elsewhere.value.slug == "not-found"
    with pytest.raises(ProblemError) as gone:
        driver("get", asset["id"])
    assert gone.value.slug in DELETED


def test_operations_have_the_phases_and_failures_of_the_callers_imports(driver: Driver, url: str) -> None:
    driver.open(url).imported("failed")
    shown = driver("operations")
    assert shown["namespace"] is None
    assert {each["newest"]["user"] for each in shown["failed"]} == {"default"}


def test_failed_import_raises_its_reason(driver: Driver, url: str) -> None:
    asset = driver.open(url).imported("failed")
    with pytest.raises(AssetFailedError, match="The source is gone"):
        driver("wait", asset["id"])


def test_one_key_makes_one_import(driver: Driver, url: str) -> None:
    driver.open(url)
    first, second = (driver("import_url", FILM, idempotency_key="only-once") for _ in range(2))
    assert first["asset_id"] == second["asset_id"]


def test_many_imports_are_answered_in_their_order(driver: Driver, url: str) -> None:
    answers = driver.open(url)("import_many", [{"url": FILM}, {"url": "file:///etc/passwd"}])
    assert [each["status"] for each in answers] == [202, 422]


def test_wrong_fields_are_named(driver: Driver, url: str) -> None:
    with pytest.raises(ProblemError, match="/url") as refused:
        driver.open(url)("import_url", "nothing")
    assert (refused.value.status, refused.value.slug) == (422, "invalid-field")


def test_prediction_starts_and_a_wait_for_it_ends_in_time(driver: Driver, url: str) -> None:
    assert [each["alias"] for each in driver.open(url)("models")] == ["wan-video-t2v"]
    started = driver("generate", "wan-video-t2v", {"prompt": "a rabbit"}, tags=["rabbit"])
    assert driver("job", started["job_id"])["assets"] == []
    with pytest.raises(WaitTimeoutError):
        driver("wait_for_job", started["job_id"], timeout_s=0.01)


def test_stream_tells_of_an_import_of_its_deletion_and_of_what_was_missed(driver: Driver, url: str) -> None:
    events = driver.open(url).iterate("events")
    assert isinstance(next(events), Reset)
    asset_id = driver("import_url", FILM)["asset_id"]
    of_it = (each for each in events if isinstance(each, AssetChanged) and each.asset["id"] == asset_id)
    assert next(each for each in of_it if each.asset["status"] != "uploading")
    driver("delete", asset_id)
    gone = next(each for each in events if isinstance(each, AssetGone) and each.id == asset_id)
    assert gone.last_event_id is not None
    missed = driver("import_url", FILM)["asset_id"]
    again = driver.iterate("events", last_event_id=gone.last_event_id)
    seen = list(itertools.takewhile(lambda each: getattr(each, "asset", {}).get("id") != missed, again))
    assert [each for each in seen if isinstance(each, Reset)] == []


def test_import_is_followed_to_its_end(driver: Driver, url: str) -> None:
    accepted = driver.open(url)("import_url", FILM)
    states = list(driver.iterate("follow", accepted["asset_id"]))
    assert {each["id"] for each in states} == {accepted["asset_id"]}
    *before, last = [each["status"] for each in states]
    assert set(before) <= {"uploading"}
    assert last in {"ready", "failed"}


def test_refused_stream_is_an_error(driver: Driver, url: str) -> None:
    with pytest.raises(ProblemError) as refused:
        next(driver.open(url, "nobody's").iterate("events"))
    assert refused.value.status == 401


def test_request_is_sent_again_with_the_same_key(driver: Driver) -> None:
    accepted = httpx.Response(202, json={"asset_id": "a"})
    ill = Ill(httpx.Response(503, headers={"Retry-After": "0"}), httpx.ReadError("cut"), accepted)
    assert driver.open("https://media.test/prefix/", answer=ill)("import_url", FILM) == {"asset_id": "a"}
    assert {str(each.url) for each in ill.requests} == {"https://media.test/prefix/api/v1/media/import-from-url"}
    assert len({each.headers["idempotency-key"] for each in ill.requests}) == 1


def test_request_that_is_not_repeatable_is_sent_once_and_others_are_given_up(driver: Driver) -> None:
    ill = Ill()
    driver.open("https://media.test", answer=ill)
    with pytest.raises(ProblemError) as refused:
        driver("retry", "a")
    assert (refused.value.status, refused.value.slug, len(ill.requests)) == (503, "", 1)
    with pytest.raises(ProblemError):
        driver("get", "a")
    assert len(ill.requests) == 1 + 3


def test_long_pause_is_left_to_the_caller(driver: Driver) -> None:
    ill = Ill(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(ProblemError) as busy:
        driver.open("https://media.test", answer=ill)("get", "a")
    assert busy.value.retry_after_s == 3600


def test_stream_comes_again_with_what_it_has_seen(driver: Driver) -> None:
    def told(number: int) -> httpx.Response:
        return httpx.Response(200, content=f'retry: 1\n\nid: {number}\nevent: gone\ndata: {{"id": "a"}}\n\n'.encode())

    ill = Ill(told(1), httpx.ConnectError("away"), told(2), told(3))
    events = driver.open("https://media.test", answer=ill).iterate("events")
    assert [each.last_event_id for each in itertools.islice(events, 3)] == ["1", "2", "3"]
    assert [each.headers.get("last-event-id") for each in ill.requests] == [None, "1", "1", "2"]


def test_asset_is_followed_over_a_broken_connection_until_it_is_deleted(driver: Driver) -> None:
    first = httpx.Response(200, content=b'retry: 1\n\nid: 5\nevent: asset\ndata: {"status": "uploading"}\n\n')
    gone = httpx.Response(200, content=b"event: gone\ndata: {}\n\n")
    ill = Ill(first, httpx.ReadError("cut"), gone)
    followed = driver.open("https://media.test", answer=ill).iterate("follow", "a/b")
    assert [each["status"] for each in followed] == ["uploading"]
    assert {each.url.raw_path for each in ill.requests} == {b"/api/v1/media/a%2Fb/events"}
    assert [each.headers.get("last-event-id") for each in ill.requests] == [None, "5", "5"]


def test_file_is_put_into_the_store_without_the_token(driver: Driver) -> None:
    seen: list[tuple[str, str, str, bytes]] = []

    def note(request: httpx.Request, body: bytes) -> httpx.Response:
        seen.append((request.method, request.url.path, request.headers.get("authorization", ""), body))
        put = {"id": "u1", "method": "PUT", "url": "https://store.test/o", "headers": {"Content-Type": "text/plain"}}
        return httpx.Response(200, json=put | {"asset_id": "u1"})

    async def async_answer(request: httpx.Request) -> httpx.Response:
        return note(request, await request.aread())

    def answer(request: httpx.Request) -> httpx.Response:
        return note(request, request.read())

    chosen = answer if driver.kind is MediaImport else async_answer
    driver.open("https://media.test", "t", answer=chosen)
    driver("upload", io.BytesIO(b"hello"), size_bytes=5, name="a.txt")
    assert [each[:3] for each in seen] == [
        ("POST", "/api/v1/media/uploads", "Bearer t"),
        ("PUT", "/o", ""),
        ("POST", "/api/v1/media/uploads/u1/complete", "Bearer t"),
    ]
    assert json.loads(seen[0][3]) == {"name": "a.txt", "size_bytes": 5}
    assert seen[1][3] == b"hello"


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        named = {name: each for name, each in vars(kind).items() if inspect.isfunction(each) and name[0] != "_"}
        return {name.removeprefix("a"): list(inspect.signature(each).parameters) for name, each in named.items()}

    assert methods(MediaImport) == methods(AsyncMediaImport)
    assert methods(Webhooks) == methods(AsyncWebhooks)


STREAM = (
    "retry: 1500\n\n: still here\n\nid: 7\nevent: reset\ndata: {}\n\nevent: later\ndata: {}\n\n"
    'event: asset\ndata: {"id":\ndata: "ü\u2028"}\n\nid: 9\r\nevent: gone\r\ndata: {"id": "b"}\r\n\r\nevent: gone\n'
)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_come_whole_however_the_network_cuts_them(size: int) -> None:
    parser, content = StreamParser(), STREAM.encode()
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    found = [event for piece in pieces for event in parser.feed(piece)]
    assert found == [Reset("7"), AssetChanged({"id": "ü\u2028"}, None), AssetGone("b", "9")]  # type: ignore[typeddict-item]
    assert parser.retry_s == 1.5


def test_example_in_the_readme_is_the_program() -> None:
    folder = ROOT / "clients/python"
    assert f"```python\n{(folder / 'examples/import_film.py').read_text()}```\n" in (folder / "README.md").read_text()
