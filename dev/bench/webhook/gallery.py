"""`make bench-gallery`: Chromium scrolls the gallery of 10,000 assets, with a picture for each.

First down from the top, while pages of the list arrive; then up and down at its end, with all of them there. Pictures
come from a server on loopback. The limit is a page of such pictures alone, all of them loaded before it is scrolled:
what Chromium draws without a graphics card. GALLERY_ASSETS takes another number.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dev.bench.figures import Bar, Figure, Sheet, percentile, report
from dev.bench.webhook.apiserver import running_apiserver
from dev.bench.webhook.pictures import PAGE, running_store
from dev.bench.webhook.reads import STREAMS, resources
from tests.support.gallery_page import CHROMIUM, new_page
from tests.support.webhook_process import TOKEN, WebhookProcess, running_webhook

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

ASSETS = int(os.environ.get("GALLERY_ASSETS", "10000"))
HZ = 60
"""Frames a second of Chromium without a screen, at most."""
LEAST = 50
DISTANCE = 20_000
SPEED = 3000
"""Pixels, and pixels a second: some fifteen rows a second."""
_LEAST_MOVED = 0.5
"""Part of a scroll that must be done: the list may end where its next page is still on its way."""
_RECORD = """() => {
  [window.frames, window.pictures] = [[], []];
  const note = (time) => { window.frames.push(time); window.recording = requestAnimationFrame(note); };
  window.recording = requestAnimationFrame(note);
  // Seldom: it measures the page.
  window.counting = setInterval(() => {
    const inSight = [...document.images].filter((each) => {
      const { top, bottom } = each.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    });
    window.pictures.push(...inSight.map((each) => Number(each.complete && each.naturalWidth > 0)));
  }, 500);
}"""
_STOP = """() => {
  cancelAnimationFrame(window.recording);
  clearInterval(window.counting);
  return [window.frames, window.pictures];
}"""
_TO_THE_END = """(count) => new Promise((resolve) => {
  const step = () => {
    const last = document.querySelector("#grid li:last-child");
    if (last?.getAttribute("aria-posinset") === String(count)) resolve();
    else { scrollTo(0, document.body.scrollHeight); setTimeout(step, 20); }
  };
  step();
})"""


@dataclass(frozen=True)
class Scroll:
    """Milliseconds between frames, and for pictures seen in sight at some of them: 1 if it was there, else 0."""

    gaps: list[float]
    pictures: list[int]

    @property
    def per_s(self) -> float:
        """Return the frames a second."""
        return 1000 * len(self.gaps) / sum(self.gaps)


def start(stack: ExitStack, store: str) -> WebhookProcess:
    """Run the webhook with the assets; the newest are Ready."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-gallery-")))
    kubeconfig = stack.enter_context(running_apiserver(folder, list(resources(ASSETS + STREAMS))))
    variables = {
        "NAMESPACE": "bench",
        "S3_BUCKET_NAME": "media",
        "S3_ENDPOINT_URL": store,
        "S3_ADDRESSING_STYLE": "path",
    }
    keys = {"S3_ACCESS_KEY_ID": "bench", "S3_SECRET_ACCESS_KEY": "bench-secret", "RATE_LIMIT_PER_SECOND": "0"}
    return stack.enter_context(running_webhook(folder, {"KUBECONFIG": str(kubeconfig), **variables, **keys}))


def sign_in(page: Page, webhook: WebhookProcess) -> None:
    """Open the gallery."""
    page.goto(f"{webhook.url}/gallery")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Status").select_option("ready")
    page.locator("#grid .card.ready img").first.wait_for()


def scrolled(page: Page, session: CDPSession, *distances: int, speed: int = SPEED) -> Scroll:
    """Scroll by a wheel."""
    page.evaluate(_RECORD)
    for each in distances:
        before = page.evaluate("scrollY")
        place = {"x": 600, "y": 400, "yDistance": -each, "speed": speed, "gestureSourceType": "mouse"}
        session.send("Input.synthesizeScrollGesture", place)
        moved = page.evaluate("scrollY") - before
        if moved / each < _LEAST_MOVED:
            raise RuntimeError(f"the page was scrolled by {moved} of {each} pixels")
    frames, pictures = page.evaluate(_STOP)
    return Scroll([after - before for before, after in pairwise(frames)], pictures)


def figures(name: str, scroll: Scroll, *, limit: Scroll, bar: Bar | None = None) -> list[Figure]:
    """Return the figures of one scroll."""
    gaps, pictures = scroll.gaps, scroll.pictures
    return [
        Figure(f"{name}: frames", scroll.per_s, "/s", limit.per_s, bar),
        Figure(f"{name}: time between frames, p99", percentile(gaps, 99), "ms", percentile(limit.gaps, 99)),
        Figure(f"{name}: longest time between frames", max(gaps), "ms", max(limit.gaps)),
        Figure(f"{name}: pictures in sight that are there", 100 * sum(pictures) / len(pictures), "%", 100),
    ]


def pictures_alone(page: Page, store: str, *, speed: int = SPEED) -> Scroll:
    """Scroll a page of such pictures alone, all of them loaded."""
    page.goto(f"{store}{PAGE}")
    page.wait_for_function("() => [...document.images].every((each) => each.complete)")
    session = page.context.new_cdp_session(page)
    return scrolled(page, session, DISTANCE, -DISTANCE, speed=speed)


def main() -> Sheet:
    """Measure and report."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - installed for this and the browser's tests alone

    bar = Bar(LEAST, at_most=False)
    with ExitStack() as stack:
        store = stack.enter_context(running_store())
        webhook = start(stack, store)
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = new_page(browser)
        limit, faster = (pictures_alone(page, store, speed=speed) for speed in (SPEED, 4 * SPEED))
        found = [Figure("a page of the pictures alone: frames", limit.per_s, "/s", HZ)]
        sign_in(page, webhook)
        session = page.context.new_cdp_session(page)
        found += figures("while pages arrive", scrolled(page, session, DISTANCE), limit=limit, bar=bar)
        page.evaluate(_TO_THE_END, ASSETS)
        found += figures(f"{ASSETS} assets", scrolled(page, session, -DISTANCE, DISTANCE), limit=limit, bar=bar)
        found += figures("the same, faster", scrolled(page, session, -4 * DISTANCE, speed=4 * SPEED), limit=faster)
        elements = page.locator("#grid *").count()
        page.context.close()
        browser.close()
    return report("gallery", [*found, Figure("elements of the grid", elements, "")], form={"assets": ASSETS})
