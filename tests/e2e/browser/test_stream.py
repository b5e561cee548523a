"""The gallery follows the stream of changes, and asks where it has none; in Chromium, with a webhook on loopback."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.webhook_process import TOKEN

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Page, Request, Route

pytestmark = pytest.mark.browser
STREAM = "**/api/v1/events"
EVENT_STREAM = {"Content-Type": "text/event-stream"}
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def begin(api: httpx.Client, name: str) -> str:
    """Begin an import; return its asset's id."""
    answer = api.post("/api/v1/media/import-from-url", json={"url": "https://example.com/film.mp4", "name": name})
    return str(answer.raise_for_status().json()["asset_id"])


def card(name: str) -> str:
    return f"#grid .card:not(.uploading):has(.name:text-is({name!r}))"


def sent_by(page: Page) -> list[Request]:
    """Return the requests that the page sends from now on."""
    sent: list[Request] = []
    page.on("request", lambda each: sent.append(each))  # noqa: PLW0108 - Playwright cannot take a built-in one
    return sent


def lists(sent: list[Request]) -> list[str]:
    return [each.url for each in sent if "/api/v1/media/?" in each.url]


def entered_again(page: Page) -> Request:
    """Load the page again; return its request for the stream once changes arrive by it."""
    listed = count(1)
    # What the stream tells first makes the page list its assets again.
    with (
        page.expect_request(STREAM) as followed,
        page.expect_event("requestfinished", lambda each: "/media/?" in each.url and next(listed) == 2),
    ):
        page.reload()
    return followed.value


def test_change_is_shown_without_being_asked_for(local_page: Page, api: httpx.Client) -> None:
    local_page.clock.install()
    followed = entered_again(local_page)
    assert TOKEN not in followed.url
    assert followed.all_headers()["authorization"] == f"Bearer {TOKEN}"
    sent = sent_by(local_page)
    for place in range(8):
        begin(api, f"told {place}")
        local_page.locator(card(f"told {place}")).wait_for()
    local_page.clock.run_for(30_000)
    # The end of the grid comes closer with each card: then the next page is asked for, as in scrolling.
    assert [each for each in lists(sent) if "cursor=" not in each] == []
    names = local_page.locator("#grid .card .name").all_inner_texts()
    assert sorted(names[:8]) == [f"told {place}" for place in range(8)]
    # Nothing tells of a change of what has no resource any more.
    with local_page.expect_request("**/api/v1/media/?*"):
        local_page.clock.run_for(40_000)


def test_deleted_asset_goes(local_page: Page, api: httpx.Client) -> None:
    entered_again(local_page)
    id_ = begin(api, "to be deleted")
    local_page.locator(card("to be deleted")).wait_for()
    sent = sent_by(local_page)
    api.delete(f"/api/v1/media/{id_}").raise_for_status()
    local_page.locator(card("to be deleted")).wait_for(state="detached")
    assert lists(sent) == []


def test_filtered_list_takes_what_belongs_to_it(local_page: Page, api: httpx.Client) -> None:
    entered_again(local_page)
    local_page.get_by_label("Status").select_option("failed")
    local_page.locator("#grid .card.ready").first.wait_for(state="detached")
    states = set()
    for place in range(40):
        id_ = begin(api, f"state {place}")
        states.add(api.get(f"/api/v1/media/{id_}", params={"wait": "30"}).json()["status"])
        if states == {"ready", "failed"}:
            break
    local_page.locator("#grid .card.failed", has_text="state ").first.wait_for()
    assert local_page.locator("#grid .card:not(.failed)").count() == 0
    local_page.get_by_label("Status").select_option("")


def test_search_lets_the_server_choose(local_page: Page, api: httpx.Client) -> None:
    entered_again(local_page)
    local_page.get_by_label("Prediction", exact=True).fill("none-such")
    local_page.locator("#empty").wait_for()
    begin(api, "not of that prediction")
    with local_page.expect_request("**/api/v1/media/?*job_id=none-such*"):
        begin(api, "nor this")
    assert local_page.locator("#grid .card").count() == 0


def test_page_without_a_stream_asks(local_page: Page, api: httpx.Client) -> None:
    local_page.route(STREAM, lambda route: route.fulfill(status=404, json={"title": "no such route"}))
    with local_page.expect_request(STREAM):
        local_page.reload()
    local_page.locator("#empty, #grid .card").first.wait_for()
    begin(api, "asked for")
    local_page.locator(card("asked for")).wait_for()
    assert local_page.locator("#message").inner_text() == ""


def test_list_that_fails_is_asked_for_at_intervals(local_page: Page, api: httpx.Client) -> None:
    local_page.clock.install()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, json={"title": "unavailable", "detail": "The database does not answer."})

    local_page.route("**/api/v1/media/?*", refuse)
    local_page.reload()
    local_page.locator("#message").get_by_text("The database does not answer.").wait_for()
    before = len(asked)
    for _ in range(5):
        with local_page.expect_response("**/api/v1/media/?*"):
            local_page.clock.run_for(3100)
    assert len(asked) - before <= 12  # Two in three seconds: the newest page, and the one that is lacking.
    local_page.unroute("**/api/v1/media/?*")
    begin(api, "at last")
    local_page.clock.run_for(10_000)
    local_page.locator(card("at last")).wait_for()
    local_page.locator("#message").filter(has_text="database").wait_for(state="detached")


def test_stream_that_ends_begins_again_where_it_was(local_page: Page, api: httpx.Client) -> None:
    first = "retry: 10\n\nid: 7\nevent: reset\ndata: {}\n\nid: 9\nevent: asset\n"
    local_page.route(STREAM, lambda route: route.fulfill(headers=EVENT_STREAM, body=first), times=1)
    with local_page.expect_request(lambda each: each.headers.get("last-event-id") == "7"):
        local_page.reload()
    begin(api, "after the break")
    local_page.locator(card("after the break")).wait_for()


def test_hidden_page_holds_no_connection(local_page: Page, api: httpx.Client) -> None:
    entered_again(local_page)
    begin(api, "before")
    local_page.locator(card("before")).wait_for()
    with local_page.expect_event("requestfailed", lambda each: each.url.endswith("/api/v1/events")):
        local_page.evaluate(HIDE, True)
    begin(api, "meanwhile")
    with local_page.expect_request(STREAM) as followed:
        local_page.evaluate(HIDE, False)
    assert followed.value.headers["last-event-id"].isdigit()
    local_page.locator(card("meanwhile")).wait_for()


def test_stream_ends_with_the_session(local_page: Page) -> None:
    entered_again(local_page)
    with local_page.expect_event("requestfailed", lambda each: each.url.endswith("/api/v1/events")):
        local_page.get_by_role("button", name="Sign out").click()
    local_page.locator("#sign-in[open]").wait_for()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_messages_are_the_same_in_pieces_of_any_size(local_page: Page, end: str) -> None:
    text = (
        f": hello{end}retry: 70{end}{end}id: 3{end}event: asset{end}data: a{end}data:b{end}{end}data: c{end}{end}: bye"
    )
    script = """async ([text, size]) => {
      const { Messages } = await import("./gallery/stream.js");
      const messages = new Messages();
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g"));
      return [pieces.flatMap((each) => messages.push(each)), messages.lastId, messages.retryMs];
    }"""
    for size in (1, 2, 3, 5, 1000):
        told = [{"event": "asset", "data": "a\nb"}, {"event": "", "data": "c"}]
        assert local_page.evaluate(script, [text, size]) == [told, "3", 70]
