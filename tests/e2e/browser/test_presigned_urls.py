"""Presigned URLs that end while the page is open; in Chromium, with a webhook on loopback whose URLs end soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.support.downloads import bigbuckbunny
from tests.support.gallery_page import WAIT_MS
from tests.support.loopback_webhook import loopback_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.support.webhook_process import WebhookProcess

pytestmark = pytest.mark.browser
LIFETIME_S = 20
THERE = """(least) => {
  const images = [...document.querySelectorAll("#grid li img")];
  return images.length >= least && images.every((each) => each.complete && each.naturalWidth > 0);
}"""


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    """A webhook of these tests' own."""
    own = {"PRESIGN_SECONDS": str(LIFETIME_S)}
    with loopback_webhook(tmp_path_factory.mktemp("webhook"), own) as webhook:
        yield webhook


def stored(api: httpx.Client, tag: str, imports: int, *, thumbnail: bytes = b"", film: bytes = b"") -> int:
    """Import so many, and put the bytes of those that do not fail into the store; return how many they are."""
    one = {"url": "https://example.com/film.mp4", "tags": [tag]}
    api.post("/api/v1/media/import-from-urls", json={"imports": [one] * imports}).raise_for_status()
    deadline = time.monotonic() + WAIT_MS / 1000
    while listed(api, tag, "uploading"):
        assert time.monotonic() < deadline, "the imports do not end"
        time.sleep(0.2)
    ready = listed(api, tag, "ready")
    for each in ready:
        httpx.put(each["thumbnail_url"].partition("?")[0], content=thumbnail).raise_for_status()
        httpx.put(each["url"].partition("?")[0], content=film).raise_for_status()
    return len(ready)


def listed(api: httpx.Client, tag: str, status: str) -> list[dict[str, Any]]:
    answer = api.get("/api/v1/media/", params={"tag": tag, "status": status, "limit": "100"}).raise_for_status()
    return list(answer.json()["assets"])


def choose(page: Page, tag: str) -> None:
    """Show what is stored with the tag."""
    page.get_by_label("Status").select_option("ready")
    with page.expect_response(f"**/api/v1/media/?*tag={tag}*"):
        page.get_by_label("Tag", exact=True).fill(tag)


def wait_for_end(url: str) -> None:
    """Wait until the store refuses the URL."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while httpx.get(url).status_code != httpx.codes.FORBIDDEN:
        assert time.monotonic() < deadline, "the URL does not end"
        time.sleep(0.2)


def refusals(page: Page) -> list[str]:
    """Return what the store refuses from now on."""
    refused: list[str] = []
    page.on("response", lambda each: refused.append(each.url) if each.status == httpx.codes.FORBIDDEN else None)
    return refused


def test_film_that_was_paused_plays_after_its_url_has_ended(local_page: Page, api: httpx.Client) -> None:
    stored(api, "paused", 10, film=bigbuckbunny().read_bytes())
    choose(local_page, "paused")
    local_page.locator("#grid .card.ready").first.click()
    video = local_page.locator("#detail video")
    local_page.wait_for_function("(video) => video.readyState >= 1", arg=video.element_handle())
    video.evaluate("video => { video.muted = true; video.currentTime = 2; }")
    first = video.get_attribute("src") or ""
    wait_for_end(first)
    refused = refusals(local_page)
    local_page.wait_for_function("([video, first]) => video.src !== first", arg=[video.element_handle(), first])
    assert video.evaluate("video => [video.paused, video.currentTime]") == [True, 2]
    video.evaluate("video => video.play()")
    local_page.wait_for_function("(video) => video.ended", arg=video.element_handle())
    assert refused == []


def test_film_whose_url_is_refused_goes_on_with_the_next(local_page: Page, api: httpx.Client) -> None:
    stored(api, "refused", 10, film=bigbuckbunny().read_bytes())
    choose(local_page, "refused")
    local_page.route("**/video.mp4?*", lambda route: route.fulfill(status=403), times=1)
    local_page.locator("#grid .card.ready").first.click()
    video = local_page.locator("#detail video")
    local_page.wait_for_function("(video) => video.videoWidth > 0", arg=video.element_handle())


def test_thumbnails_that_come_into_sight_later_have_new_urls(local_page: Page, api: httpx.Client) -> None:
    picture = local_page.screenshot(type="jpeg", clip={"x": 0, "y": 0, "width": 320, "height": 180})
    count = stored(api, "thumbnails", 100, thumbnail=picture)
    choose(local_page, "thumbnails")
    local_page.locator(f"#grid li[aria-setsize='{count}']").first.wait_for()
    local_page.wait_for_function(THERE, arg=20)
    wait_for_end(local_page.locator("#grid li img").last.get_attribute("src") or "")
    refused, asked = refusals(local_page), []
    local_page.on("request", lambda each: asked.append(each.url) if "/api/v1/media/" in each.url else None)
    local_page.mouse.move(600, 400)
    local_page.mouse.wheel(0, 10_000)
    local_page.locator(f"#grid li[aria-posinset='{count}']").wait_for()
    local_page.wait_for_function(THERE, arg=20)
    assert refused == []
    assert 1 <= len(asked) < 20  # Of the page of the list, not of each asset.
