"""The operations page, in Chromium, with a webhook on loopback; test_gallery.py has it on a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.gallery_page import accessibility
from tests.support.webhook_process import ADMIN_TOKEN

if TYPE_CHECKING:
    import httpx
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
as_admin = pytest.mark.parametrize("token", [ADMIN_TOKEN], ids=["admin"])


def fail_one(api: httpx.Client) -> str:
    """Import until one fails, as one of four does; return its name."""
    for number in range(100):
        wanted = {"url": "https://example.com/film.mp4", "name": f"failing {number}"}
        id_ = api.post("/api/v1/media/import-from-url", json=wanted).raise_for_status().json()["asset_id"]
        if api.get(f"/api/v1/media/{id_}", params={"wait": "30"}).json()["status"] == "failed":
            return wanted["name"]
    raise AssertionError("no import failed")


def open_operations(page: Page) -> int:
    """Open the page; return how many it shows as failed."""
    page.get_by_role("button", name="Operations…").click()
    heading = page.locator("#operations").get_by_role("heading", name=re.compile("^Failed, "))
    return int(heading.inner_text().rpartition(" ")[2])


@as_admin
def test_admin_sees_what_failed_as_it_fails(local_page: Page, api: httpx.Client) -> None:
    fail_one(api)
    before = open_operations(local_page)
    operations = local_page.locator("#operations")
    assert operations.get_by_role("heading", name="Queued: 0").count() == 1
    assert operations.get_by_role("heading", name="Running: 0").count() == 1
    assert accessibility(local_page) == []
    copy = operations.get_by_role("button", name=re.compile("^Copy the command: Failed, "))
    copy.focus()
    name = fail_one(api)
    operations.get_by_role("heading", name=re.compile(rf"^Failed, .*: {before + 1}$")).wait_for()
    assert copy.evaluate("each => each === document.activeElement")
    operations.get_by_role("table", name=re.compile("^Failed, ")).get_by_role("button", name=name, exact=True).click()
    local_page.locator("#detail-state").get_by_text("failed").wait_for()


@as_admin
def test_page_without_an_answer_says_so_and_goes_on(local_page: Page, api: httpx.Client) -> None:
    fail_one(api)
    local_page.route("**/api/v1/operations", lambda route: route.abort(), times=1)
    local_page.get_by_role("button", name="Operations…").click()
    local_page.locator("#operations-state").get_by_text("does not answer").wait_for()
    local_page.locator("#operations").get_by_role("heading", name=re.compile("^Failed, ")).wait_for()
    local_page.locator("#operations-state").get_by_text("does not answer").wait_for(state="detached")


def test_user_is_offered_none(local_page: Page) -> None:
    with local_page.expect_response("**/api/v1/operations") as answer:
        local_page.reload()
    assert answer.value.json()["namespace"] is None
    local_page.locator("#grid .card, #empty").first.wait_for()
    assert local_page.get_by_role("button", name="Operations…").count() == 0


@as_admin
def test_page_is_forgotten_with_the_caller(local_page: Page) -> None:
    local_page.get_by_role("button", name="Operations…").wait_for()
    local_page.get_by_role("button", name="Sign out").click()
    local_page.locator("#operate").wait_for(state="hidden")
    assert local_page.locator("#operations-groups > *").count() == 0
