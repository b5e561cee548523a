"""The gallery in Chromium, on the cluster: what a person does with it, and what a page must not do.

With PICTURES=docs/images the test writes the pictures that the documentation shows.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.gallery_page import accessibility, picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.installation.world import World

pytestmark = pytest.mark.browser

HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def import_by_form(page: Page, url: str, name: str) -> None:
    page.get_by_role("button", name="Import…").click()
    page.get_by_label("URL").fill(url)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Import from the URL").click()
    page.locator("#uploads").get_by_text(f"{name}: begun").wait_for()
    page.keyboard.press("Escape")


def card(name: str, status: str = "") -> str:
    """Return the selector of an asset's card."""
    return f"#grid .card{'.' + status if status else ''}:has(.name:text-is({name!r}))"


def test_film_is_seen_to_come_in(world: World, page: Page) -> None:
    for name in ("rabbit.mp4", "meadow.mp4"):
        import_by_form(page, world.file_url(), name)
    import_by_form(page, world.file_url(file="missing"), "late.mp4")
    page.locator(card("rabbit.mp4", "ready")).wait_for()
    import_by_form(page, world.file_url(size_bytes=3_000_000, bytes_per_second=300_000), "film.mp4")
    bar = page.locator(card("film.mp4", "uploading")).locator("progress[value]")
    bar.wait_for()
    seen = {int(bar.get_attribute("value") or 0)}
    page.wait_for_function(
        "([bar, before]) => Number(bar.getAttribute('value')) > before || !bar.isConnected",
        arg=[bar.element_handle(), max(seen)],
    )
    picture(page, "grid")
    image = page.locator(card("film.mp4", "ready")).locator("img")
    image.wait_for()
    page.wait_for_function("(image) => image.naturalWidth > 0", arg=image.element_handle())
    assert image.evaluate("(image) => image.naturalWidth") == 320
    assert accessibility(page) == []


def test_detail_plays_the_film_and_tells_the_facts(page: Page) -> None:
    page.locator(card("film.mp4", "ready")).click()
    detail = page.locator("#detail")
    video = detail.locator("video")
    page.wait_for_function("(video) => video.videoWidth > 0", arg=video.element_handle())
    assert re.search(r"1280 . 720", detail.inner_text())
    assert "h264" in detail.inner_text()
    picture(page, "detail")
    assert accessibility(page) == []


def test_failure_has_its_reason_and_can_be_run_again(page: Page) -> None:
    failed = page.locator(card("late.mp4", "failed"))
    failed.wait_for()
    failed.click()
    detail = page.locator("#detail")
    detail.get_by_text(re.compile("failed: ")).first.wait_for()
    picture(page, "failure")
    assert accessibility(page) == []
    detail.get_by_role("button", name="Retry").click()
    detail.get_by_role("status").get_by_text("Running again").wait_for()


def test_generation_comes_in_with_its_prompt(page: Page) -> None:
    page.get_by_role("button", name="Generate…").click()
    form = page.locator("#generating")
    form.get_by_label("prompt *").fill("a rabbit")
    form.get_by_label("Tags").fill("by-form")
    form.get_by_role("button", name="Start").click()
    form.locator("#generations li").filter(has_text="ready").wait_for()
    page.keyboard.press("Escape")
    page.get_by_label("Tag", exact=True).fill("by-form")
    page.locator(card("rabbit.mp4")).wait_for(state="detached")
    page.locator("#grid .card.ready").click()
    detail = page.locator("#detail")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    detail.get_by_role("button", name="Copy prompt").click()
    detail.get_by_role("status").get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "a rabbit"


def test_operations_shows_what_is_under_way_by_commands_that_run(world: World, page: Page) -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    held = world.create("held-back", {"source": {"url": world.file_url(), "expiresAt": end}, "suspend": True})
    world.wait_for_phase(held, "Suspended")
    import_by_form(page, world.file_url(size_bytes=3_000_000, bytes_per_second=100_000), "slow.mp4")
    page.locator(card("slow.mp4", "uploading")).locator("progress[value]").wait_for()
    page.get_by_role("button", name="Operations…").click()
    operations = page.locator("#operations")
    operations.get_by_role("table", name="Suspended").get_by_role("button", name=held, exact=True).wait_for()
    operations.get_by_role("table", name="Running").get_by_role("button", name="slow.mp4", exact=True).wait_for()
    operations.get_by_role("heading", name=re.compile("Failed, .*: 1")).wait_for()
    ending = operations.get_by_role("table", name="Sources that end next").get_by_role("row", name=held)
    assert ending.locator("time").last.get_attribute("datetime") == end
    picture(page, "operations")
    assert accessibility(page) == []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    operations.get_by_role("table", name="Suspended").get_by_role("button", name="Copy").first.click()
    operations.locator("#operations-state").get_by_text("Copied").wait_for()
    commands = [*operations.locator(".command code").all_inner_texts(), page.evaluate("navigator.clipboard.readText()")]
    printed = {each: world.installation.kube.shell(each) for each in commands}
    assert all(output.strip() for each, output in printed.items() if "phase=Queued" not in each)
    assert f"describe mediaimport {held}" in commands[-1]
    of_held = [each for each in commands if re.search("phase=Suspended|sort-by=.spec|describe", each)]
    assert [held in printed[each] for each in of_held] == [True, True, True]
    operations.get_by_role("button", name="slow.mp4", exact=True).click()
    page.locator("#detail-name").get_by_text("slow.mp4").wait_for()


def test_name_with_markup_is_text(world: World, page: Page) -> None:
    import_by_form(page, world.file_url(), HOSTILE)
    page.locator("#grid .card.ready .name", has_text="onerror").wait_for()
    page.locator("#grid .card.ready", has_text="onerror").click()
    assert page.locator("#detail-name").inner_text() == HOSTILE


def test_file_is_uploaded_and_deleted(world: World, page: Page, webhook: httpx.Client) -> None:
    content = os.urandom(300_000)
    page.get_by_role("button", name="Import…").click()
    page.get_by_label("Files").set_input_files(
        {"name": "noise.bin", "mimeType": "application/octet-stream", "buffer": content}
    )
    page.get_by_role("button", name="Upload").click()
    page.locator("#uploads").get_by_text("noise.bin: uploaded").wait_for()
    page.keyboard.press("Escape")
    page.locator(card("noise.bin", "ready")).click()
    found = re.search(r"id\s+([0-9a-f-]{36})", page.locator("#detail-facts").inner_text())
    assert found is not None
    stored = webhook.get(f"/api/v1/media/{found[1]}").json()
    assert httpx.get(stored["url"], verify=world.tls).content == content

    page.locator("#detail").get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    assert page.locator(card("noise.bin")).count() == 1
    page.locator("#detail").get_by_role("button", name="Delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    page.locator(card("noise.bin")).wait_for(state="detached")
    assert webhook.get(f"/api/v1/media/{found[1]}").status_code == 410


def test_filter_shows_what_failed_alone(page: Page) -> None:
    page.get_by_label("Status").select_option("failed")
    page.locator("#grid .card.ready").first.wait_for(state="detached")
    page.get_by_label("Status").select_option("")
    page.locator("#grid .card.ready").first.wait_for()


def test_keyboard_moves_from_asset_to_asset(page: Page) -> None:
    page.locator(card("meadow.mp4")).wait_for()
    names = page.locator("#grid .card .name").all_inner_texts()
    page.locator("#grid .card").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#grid .card:focus .name").inner_text() == names[1]
    page.keyboard.press("Enter")
    page.locator("#detail[open]").wait_for()


def test_phone_and_dark_have_room_and_contrast(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    picture(page, "dark")
    assert accessibility(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#grid[data-columns='2']").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(page, "phone")
    assert accessibility(page) == []
    page.set_viewport_size({"width": 1200, "height": 800})
    page.emulate_media(color_scheme="light")


def test_token_is_forgotten_with_the_tab(page: Page, address: str) -> None:
    assert page.evaluate("Object.keys(localStorage).length") == 0
    assert page.context.cookies(address) == []
    page.get_by_role("button", name="Sign out").click()
    page.locator("#sign-in[open]").wait_for()
    assert page.evaluate("sessionStorage.length") == 0
    assert page.locator("#grid li").count() == 0
