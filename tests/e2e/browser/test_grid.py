"""The grid makes elements for the rows in sight alone, each at its place; in Chromium, with a webhook on loopback."""

from __future__ import annotations

import secrets
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

ORDERED = """() => [...document.querySelectorAll("#grid li")]
  .map((each) => Number(each.getAttribute("aria-posinset")))
  .every((each, place, all) => place === 0 || each === all[place - 1] + 1)"""


@pytest.fixture
def ids(local_page: Page, api: httpx.Client) -> list[str]:
    """Ids of 100 new assets, newest first, all of which the page lists."""
    tag = f"grid-{secrets.token_hex(4)}"
    one = {"url": "https://example.com/film.mp4", "tags": [tag]}
    answer = api.post("/api/v1/media/import-from-urls", json={"imports": [one] * 100}).raise_for_status()
    assert answer.json()["imports"][0]["status"] == 202
    with local_page.expect_response(f"**/api/v1/media/?*tag={tag}*"):
        local_page.get_by_label("Tag", exact=True).fill(tag)
    local_page.locator("#grid[data-columns='6'] li[aria-setsize='100']").first.wait_for()
    return [each["id"] for each in api.get(f"/api/v1/media/?tag={tag}&limit=100").json()["assets"]]


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
    # Elements keep their order while the page moves.
    local_page.wait_for_function(ORDERED)
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


@pytest.mark.usefixtures("ids")
def test_focus_stays_while_the_cards_around_it_are_used_again(local_page: Page) -> None:
    card = local_page.locator("#grid li[aria-posinset='8'] .card")
    card.focus()
    local_page.mouse.move(600, 400)
    for distance in (1200, 400, -900, 10_000):
        local_page.mouse.wheel(0, distance)
    local_page.locator("#grid li[aria-posinset='100']").wait_for()
    assert card.evaluate("each => each === document.activeElement")
    local_page.keyboard.press("ArrowRight")
    assert local_page.locator("#grid li:focus-within").get_attribute("aria-posinset") == "9"
    local_page.evaluate("scrollTo(0, 0)")
    local_page.locator("#grid li[aria-posinset='1']").wait_for()
    local_page.wait_for_function(ORDERED)
