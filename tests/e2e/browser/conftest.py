"""Chromium for the tests of the gallery; a violation of the page's policy is noted in `window.reports`."""

from __future__ import annotations

import re
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

    from dev.cluster.kubectl import Kube
    from tests.support.installation.world import World
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


# --- on the cluster ---


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """URL of the webhook; uploads from its origin are allowed."""
    kube: Kube = world.installation.kube
    with kube.forward(world.installation.webhook, 80, namespace=world.namespace) as url:
        world.store.put_bucket_cors(
            Bucket=world.bucket,
            CORSConfiguration={
                "CORSRules": [{"AllowedOrigins": [url], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}]
            },
        )
        yield url
        world.store.delete_bucket_cors(Bucket=world.bucket)


@pytest.fixture(scope="module")
def signed_in(world: World, address: str, browser: Browser) -> Iterator[Page]:
    """The gallery of the chart's first token."""
    page = new_page(browser)
    page.goto(f"{address}/gallery")
    page.get_by_label("Token").fill("not-a-token")
    page.get_by_role("button", name="Sign in").click()
    page.locator("#sign-in-error").filter(has_text=re.compile(".")).wait_for()
    page.get_by_label("Token").fill(world.installation.first_token())
    page.get_by_role("button", name="Sign in").click()
    page.locator("#sign-in").wait_for(state="hidden")
    yield page
    page.context.close()


@pytest.fixture
def page(signed_in: Page) -> Iterator[Page]:
    """The gallery without a dialog or a filter; nothing that it did was against its policy."""
    while signed_in.locator("dialog[open]").count():
        signed_in.keyboard.press("Escape")
    signed_in.locator("#filters").evaluate("form => { form.reset(); form.dispatchEvent(new Event('input')); }")
    yield signed_in
    assert violations(signed_in) == []
    assert signed_in.evaluate("window.hacked") is None
