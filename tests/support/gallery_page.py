"""The gallery in a browser: a page that notes what its policy forbids, and what axe finds on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
WAIT_MS = 90_000
_REPORTS = """
window.reports = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.reports.push(event.violatedDirective + " " + event.blockedURI));
"""


def new_page(browser: Browser, **options: Any) -> Page:  # noqa: ANN401 - Playwright's own
    """Return a page of a context of its own. The certificate of the cluster's store is the cluster's own."""
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1200, "height": 800}, **options)
    context.add_init_script(_REPORTS)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    return page


def violations(page: Page) -> list[str]:
    """Return what the page did against its policy."""
    found: list[str] = page.evaluate("window.reports")
    return found


def accessibility(page: Page) -> list[str]:
    """Return what axe finds."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - installed for these tests alone

    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def picture(page: Page, name: str) -> None:
    """Write a picture of the documentation, with PICTURES=docs/images."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=ROOT / folder / f"gallery-{name}.jpg", type="jpeg", quality=80)
