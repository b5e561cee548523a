"""Files and names that would be markup, in Chromium, on the cluster: nothing of them runs, and the page stays."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from playwright.sync_api import Locator, Page

    from tests.support.installation.world import World

pytestmark = pytest.mark.browser

HACK = "for (const each of [window, top, parent]) each.hacked = 1; top.location = 'https://evil.test/';"
SVG = f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="320" height="180"
 onload="{HACK}"><script>{HACK}</script><rect width="320" height="180" fill="red" onclick="{HACK}"/>
<a xlink:href="javascript:{HACK}"><text x="9" y="99">click</text></a>
<foreignObject width="320" height="180"><iframe xmlns="http://www.w3.org/1999/xhtml"
 srcdoc="&lt;script&gt;{HACK}&lt;/script&gt;"/></foreignObject></svg>"""
PAGE = f"<!doctype html><title>x</title><script>{HACK}</script>"
PART = f'<div><img src="x" onerror="{HACK}"><script>{HACK}</script><meta http-equiv="refresh" content="0"></div>'
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7") + PART.encode()
NAMES = (
    '"></span><svg onload="window.hacked=1"><script>window.hacked=1</script>',
    "javascript:window.hacked=1//",
    "{{constructor.constructor('window.hacked=1')()}}${window.hacked=1}",
    "' onclick='window.hacked=1' x='",
    "\u202egpj.exe",
)


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """The gallery; it stays where it is."""
    address, visited = page.url, []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    yield page
    assert (page.url, visited) == (address, [])
    assert len(page.context.pages) == 1


def drop(page: Page, name: str, kind: str, content: bytes) -> None:
    """Drop a file onto the page, and wait until it is uploaded."""
    script = """([name, type, content]) => {
      const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type }));
      return transfer;
    }"""
    transfer = page.evaluate_handle(script, [name, kind, base64.b64encode(content).decode()])
    for event in ("dragenter", "dragover", "drop"):
        page.locator("main").dispatch_event(event, {"dataTransfer": transfer})
    page.locator("#uploads").get_by_text(f"{name}: uploaded", exact=True).wait_for()
    page.keyboard.press("Escape")


def opened(page: Page, name: str, status: str) -> Locator:
    """Open an asset once it is there; return its dialog."""
    page.locator(f"#grid .card.{status}:has(.name:text-is({name!r}))").click()
    page.locator("#detail-name").get_by_text(name, exact=True).wait_for()
    page.locator("#detail-facts").get_by_text("SHA-256" if status == "ready" else "resource").wait_for()
    return page.locator("#detail")


def downloaded(page: Page, detail: Locator) -> bytes:
    """Return what the button downloads, and what the copied URL does in a tab of its own: it is saved, too."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with page.expect_download() as begun:
        detail.get_by_role("button", name="Download").click()
    content = Path(begun.value.path()).read_bytes()
    detail.get_by_role("button", name="Copy URL").click()
    detail.get_by_role("status").get_by_text("works until").wait_for()
    tab = page.context.new_page()
    with tab.expect_download() as again:
        tab.evaluate("(url) => { location.href = url; }", page.evaluate("navigator.clipboard.readText()"))
    assert Path(again.value.path()).read_bytes() == content
    assert tab.url == "about:blank"
    tab.close()
    return content


def embedded(page: Page) -> list[str]:
    """Return the elements in which a browser would run a file."""
    found: list[str] = page.locator("iframe, object, embed, frame, svg, portal").evaluate_all(
        "all => all.map((each) => each.outerHTML)"
    )
    return found


def test_svg_is_a_picture_of_itself(page: Page) -> None:
    drop(page, "drawing.svg", "image/svg+xml", SVG.encode())
    detail = opened(page, "drawing.svg", "ready")
    assert "image/svg+xml" in detail.locator("#detail-facts").inner_text()
    picture = detail.locator("#detail-media img")
    page.wait_for_function("(each) => each.naturalWidth > 0", arg=picture.element_handle())
    assert "/thumbnail." in str(picture.get_attribute("src"))
    picture.click()
    assert embedded(page) == []
    assert downloaded(page, detail) == SVG.encode()


def test_page_of_html_is_not_kept(page: Page) -> None:
    drop(page, "page.html", "text/html", PAGE.encode())
    detail = opened(page, "page.html", "failed")
    detail.get_by_text(re.compile("an HTML page")).first.wait_for()
    assert detail.locator("#detail-media *").count() == 0
    assert detail.get_by_role("button", name="Download").count() == 0


@pytest.mark.parametrize(
    ("name", "content"), [("part.html", PART.encode()), ("both.gif", GIF)], ids=["part of a page", "picture and page"]
)
def test_file_with_html_in_it_is_shown_as_what_it_is(page: Page, name: str, content: bytes) -> None:
    drop(page, name, "text/html", content)
    detail = opened(page, name, "ready")
    assert "text/html" not in detail.locator("#detail-facts").inner_text()
    assert embedded(page) == []
    assert detail.locator("#detail-media > :not(img)").count() == 0
    if name.endswith(".html"):
        assert downloaded(page, detail) == content


@pytest.mark.parametrize("name", NAMES)
def test_name_tag_and_file_name_with_markup_are_text(
    world: World, page: Page, webhook: httpx.Client, name: str
) -> None:
    wanted = {"url": world.file_url(), "name": name, "tags": [f"<img src=x onerror={len(name)}>"]}
    webhook.post("/api/v1/media/import-from-url", json=wanted).raise_for_status()
    card = page.locator("#grid .card.ready").filter(has=page.get_by_text(name, exact=True)).first
    card.click()
    page.locator("#detail-facts").get_by_text(wanted["tags"][0], exact=True).wait_for()
    assert page.locator("#detail-name").inner_text() == name
    page.keyboard.press("Escape")
    drop(page, name.replace("/", "_"), "text/plain", b"some text\n")
