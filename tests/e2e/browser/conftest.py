"""Chromium for the tests of the gallery; a violation of the page's policy is noted in `window.reports`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.gallery_page import CHROMIUM, new_page, violations
from tests.support.loopback_webhook import loopback_webhook
from tests.support.webhook_process import TOKEN

playwright = pytest.importorskip("playwright.sync_api", reason="run `make e2e-browser`")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.support.webhook_process import WebhookProcess


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It ends with a module: while it runs, so does an event loop in this thread, which others need."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    """A webhook without a cluster, whose imports end at once."""
    with loopback_webhook(tmp_path_factory.mktemp("webhook")) as webhook:
        yield webhook


@pytest.fixture
def token() -> str:
    """Token that `local_page` signs in with."""
    return TOKEN


@pytest.fixture
def local_page(browser: Browser, loopback: WebhookProcess, token: str) -> Iterator[Page]:
    """The gallery of that webhook's user, in a tab of its own; nothing that it did was against its policy."""
    page = new_page(browser)
    page.goto(f"{loopback.url}/gallery")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator("#sign-in").wait_for(state="hidden")
    yield page
    assert violations(page) == []
    page.context.close()


@pytest.fixture
def api(loopback: WebhookProcess) -> Iterator[httpx.Client]:
    """Client of that webhook's user."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=loopback.url, headers=headers) as client:
        yield client
