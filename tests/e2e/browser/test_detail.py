"""Detail of an asset, by the mouse and by the keyboard alone; in Chromium, with a webhook on loopback."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest

from tests.support.gallery_page import accessibility

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
CONTENT = b"bytes of a film"
CLIPBOARD = "navigator.clipboard.readText()"


def imported(api: httpx.Client, name: str, status: str) -> dict[str, Any]:
    """Import until one ends so; return the asset. One of four fails."""
    for _ in range(100):
        begun = api.post("/api/v1/media/import-from-url", json={"url": "https://example.com/film.mp4", "name": name})
        path = f"/api/v1/media/{begun.raise_for_status().json()['asset_id']}"
        asset: dict[str, Any] = api.get(path, params={"wait": "30"}).json()
        if asset["status"] == status:
            return asset
        api.delete(path).raise_for_status()
    raise AssertionError(f"no import is {status}")


@pytest.fixture
def asset(api: httpx.Client) -> dict[str, Any]:
    """A film in the store."""
    asset = imported(api, f"<b>mine</b> {secrets.token_hex(4)}.mp4", "ready")
    httpx.put(asset["url"].partition("?")[0], content=CONTENT).raise_for_status()
    return asset


@pytest.fixture
def detail(local_page: Page, asset: dict[str, Any]) -> Locator:
    """The film's dialog, open."""
    local_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    local_page.locator(f"#grid .card.ready:has(.name:text-is({asset['name']!r}))").click()
    detail = local_page.locator("#detail")
    detail.get_by_role("button", name="Download").wait_for()
    return detail


def test_id_is_copied(local_page: Page, asset: dict[str, Any], detail: Locator) -> None:
    detail.get_by_role("button", name="Copy id").click()
    detail.get_by_role("status").get_by_text("Copied.").wait_for()
    assert local_page.evaluate(CLIPBOARD) == asset["id"]


def test_url_is_copied_and_gives_the_file(local_page: Page, detail: Locator) -> None:
    detail.get_by_role("button", name="Copy URL").click()
    detail.get_by_role("status").get_by_text("works until").wait_for()
    assert httpx.get(local_page.evaluate(CLIPBOARD)).content == CONTENT


def test_file_is_downloaded_under_its_name(local_page: Page, asset: dict[str, Any], detail: Locator) -> None:
    with local_page.expect_download() as begun:
        detail.get_by_role("button", name="Download").click()
    assert Path(begun.value.path()).read_bytes() == CONTENT
    assert begun.value.suggested_filename == re.sub("[<>/]", "_", asset["name"])
    assert detail.is_visible()


def test_keyboard_alone_filters_opens_copies_retries_and_closes(local_page: Page, api: httpx.Client) -> None:
    failed = imported(api, "lost.mp4", "failed")
    local_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keyboard, focus = local_page.keyboard, local_page.locator(":focus")
    keyboard.press("Tab")
    assert focus.get_attribute("name") == "status"
    keyboard.type("failed")
    local_page.locator("#grid .card.ready").first.wait_for(state="detached")
    local_page.locator("#grid .card.failed").first.wait_for()
    tab_to(local_page, ".card")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowLeft")
    card = focus.locator(".name").inner_text()
    keyboard.press("Enter")
    local_page.locator("#detail[open] #detail-name").get_by_text(card, exact=True).wait_for()
    tab_to(local_page, "button:text-is('Copy id')")
    keyboard.press("Enter")
    local_page.locator("#detail").get_by_role("status").get_by_text("Copied.").wait_for()
    assert local_page.evaluate(CLIPBOARD) == failed["id"]
    keyboard.press("Escape")
    local_page.locator("#detail").wait_for(state="hidden")
    assert focus.locator(".name").inner_text() == card
    keyboard.press("Enter")
    local_page.locator("#detail[open]").wait_for()
    tab_to(local_page, "button:text-is('Retry')")
    with local_page.expect_response(f"**/api/v1/media/{failed['id']}/retry") as retried:
        keyboard.press("Enter")
    assert retried.value.ok
    local_page.locator("#detail").get_by_role("status").get_by_text("Running again").wait_for()
    # What was pressed may be gone: the focus is still in the dialog.
    assert local_page.evaluate("document.activeElement.closest('dialog')?.id") == "detail"
    keyboard.press("Escape")
    local_page.locator("#detail").wait_for(state="hidden")


def tab_to(page: Page, selector: str) -> None:
    """Press the Tab key until an element has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(selector).first.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"no {selector} by the Tab key")


def test_renewal_leaves_the_focus_where_it_is(local_page: Page, asset: dict[str, Any], detail: Locator) -> None:
    button = detail.get_by_role("button", name="Copy URL")
    button.focus()
    with local_page.expect_response(f"**/api/v1/media/{asset['id']}"):
        button.press("Enter")
    detail.get_by_role("status").get_by_text("Copied.").wait_for()
    assert button.evaluate("each => each === document.activeElement")


@pytest.mark.usefixtures("asset")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_every_view_has_contrast_and_room(local_page: Page, scheme: Literal["dark", "light"], width: int) -> None:
    local_page.emulate_media(color_scheme=scheme)
    local_page.set_viewport_size({"width": width, "height": 800})
    local_page.locator("#grid .card").first.wait_for()
    views = [None, "Import…", "Generate…", "card", "Delete"]
    found = {str(each): looked_at(local_page, each) for each in views}
    assert found == {str(each): ([], True) for each in views}


def looked_at(page: Page, view: str | None) -> tuple[list[str], bool]:
    """Open a view; return what axe finds, and whether nothing is wider than the window."""
    if view == "card":
        page.locator("#grid .card.ready").first.click()
        page.locator("#detail[open] video").wait_for()
    elif view is not None:
        page.get_by_role("button", name=view).click()
    found = accessibility(page)
    fits = page.evaluate("""() => [document.documentElement, ...document.querySelectorAll("dialog[open]")]
      .every((each) => each.scrollWidth <= each.clientWidth && each.getBoundingClientRect().right <= innerWidth)""")
    if view in {"Import…", "Generate…"}:
        page.keyboard.press("Escape")
    return found, bool(fits)
