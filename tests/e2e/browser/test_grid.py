"""The grid makes elements for the rows in sight alone, each at its place; in Chromium, with a webhook on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
ROW = 6
"""Cards of a row at the page's width."""
PLACES = """() => [...document.querySelectorAll("#grid li")].map((each) => {
  const { x, y } = each.getBoundingClientRect();
  return [Number(each.getAttribute("aria-posinset")), Math.round(x), Math.round(y + scrollY)];
})"""


@pytest.fixture
def ids(local_page: Page, api: httpx.Client) -> list[str]:
    """Ids of 100 new assets, newest first, all of which the page lists."""
    one = {"url": "https://example.com/film.mp4", "tags": ["grid"]}
    answer = api.post("/api/v1/media/import-from-urls", json={"imports": [one] * 100}).raise_for_status()
    assert answer.json()["imports"][0]["status"] == 202
    with local_page.expect_response("**/api/v1/media/?*tag=grid*"):
        local_page.get_by_label("Tag", exact=True).fill("grid")
    local_page.locator("#grid[data-columns='6'] li[aria-setsize='100']").first.wait_for()
    return [each["id"] for each in api.get("/api/v1/media/?tag=grid&limit=100").json()["assets"]]


def check(places: list[list[int]], columns: int) -> None:
    """Check that the elements come in order, row by row."""
    lefts = sorted({x for _, x, _ in places})
    tops = sorted({y for _, _, y in places})
    assert len(lefts) == columns
    first = (places[0][0] - 1) // columns
    assert [position for position, _, _ in places] == list(range(places[0][0], places[0][0] + len(places)))
    for position, x, y in places:
        assert (lefts.index(x), tops.index(y) + first) == ((position - 1) % columns, (position - 1) // columns)


def test_cards_in_sight_are_at_their_places(local_page: Page, ids: list[str], api: httpx.Client) -> None:
    check(local_page.evaluate(PLACES), ROW)
    local_page.mouse.move(600, 400)
    local_page.mouse.wheel(0, 1500)
    local_page.wait_for_function("() => !document.querySelector('#grid li[aria-posinset=\"1\"]')")
    scrolled = local_page.evaluate(PLACES)
    check(scrolled, ROW)
    assert len(scrolled) < len(ids)
    local_page.set_viewport_size({"width": 390, "height": 800})
    local_page.locator("#grid[data-columns='2']").wait_for()
    check(local_page.evaluate(PLACES), 2)
    local_page.set_viewport_size({"width": 1200, "height": 800})
    local_page.locator("#grid[data-columns='6']").wait_for()
    local_page.evaluate("scrollTo(0, 0)")
    local_page.locator("#grid li[aria-posinset='1']").wait_for()
    # Those behind a card that goes move up.
    api.delete(f"/api/v1/media/{ids[3]}").raise_for_status()
    local_page.wait_for_function(
        "(count) => Number(document.querySelector('#grid li').getAttribute('aria-setsize')) === count",
        arg=len(ids) - 1,
    )
    check(local_page.evaluate(PLACES), ROW)
