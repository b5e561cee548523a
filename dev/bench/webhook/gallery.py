"""`make bench-gallery`: Chromium scrolls the gallery of 10,000 assets, with a picture for each.

First down from the top, while pages of the list arrive; then up and down at its end, with all of them there. Pictures
come from a server on loopback. GALLERY_ASSETS takes another number.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from dev.bench.figures import Bar, Figure, Sheet, percentile, report
from dev.bench.webhook.apiserver import running_apiserver
from dev.bench.webhook.reads import STREAMS, resources
from tests.support.gallery_page import CHROMIUM, new_page
from tests.support.webhook_process import TOKEN, WebhookProcess, running_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import CDPSession, Page

ASSETS = int(os.environ.get("GALLERY_ASSETS", "10000"))
HZ = 60
"""Frames a second of Chromium without a screen."""
LEAST = 50
DISTANCE = 20_000
SPEED = 3000
"""Pixels, and pixels a second: some fifteen rows a second."""
_LEAST_MOVED = 0.5
"""Part of a scroll that must be done: the list may end where its next page is still on its way."""
_RECORD = """() => {
  window.frames = [];
  const note = (time) => { window.frames.push(time); window.recording = requestAnimationFrame(note); };
  window.recording = requestAnimationFrame(note);
}"""
_STOP = "() => { cancelAnimationFrame(window.recording); return window.frames; }"
_TO_THE_END = """(count) => new Promise((resolve) => {
  const step = () => {
    const last = document.querySelector("#grid li:last-child");
    if (last?.getAttribute("aria-posinset") === String(count)) resolve();
    else { scrollTo(0, document.body.scrollHeight); setTimeout(step, 20); }
  };
  step();
})"""


def picture() -> bytes:
    """Return a thumbnail as the importer makes them."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180", "-frames:v", "1"]
    return subprocess.run([*command, "-f", "mjpeg", "-"], capture_output=True, check=True).stdout


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a browser ends connections as it likes."""


@contextmanager
def running_store(content: bytes) -> Iterator[str]:
    """Serve the picture under every key; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class has it
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def start(stack: ExitStack) -> WebhookProcess:
    """Run the webhook with the assets; the newest are Ready."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-gallery-")))
    kubeconfig = stack.enter_context(running_apiserver(folder, list(resources(ASSETS + STREAMS))))
    store = stack.enter_context(running_store(picture()))
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


def scrolled(page: Page, session: CDPSession, *distances: int, speed: int = SPEED) -> list[float]:
    """Scroll by a wheel; return the milliseconds between frames."""
    page.evaluate(_RECORD)
    for each in distances:
        before = page.evaluate("scrollY")
        place = {"x": 600, "y": 400, "yDistance": -each, "speed": speed, "gestureSourceType": "mouse"}
        session.send("Input.synthesizeScrollGesture", place)
        moved = page.evaluate("scrollY") - before
        if moved / each < _LEAST_MOVED:
            raise RuntimeError(f"the page was scrolled by {moved} of {each} pixels")
    frames: list[float] = page.evaluate(_STOP)
    return [after - before for before, after in pairwise(frames)]


def figures(name: str, gaps: list[float], *, bar: Bar | None = None) -> list[Figure]:
    """Return the figures of one scroll."""
    per_s = 1000 * len(gaps) / sum(gaps)
    return [
        Figure(f"{name}: frames", per_s, "/s", HZ, bar),
        Figure(f"{name}: time between frames, p99", percentile(gaps, 99), "ms", 1000 / HZ),
        Figure(f"{name}: longest time between frames", max(gaps), "ms", 1000 / HZ),
    ]


def main() -> Sheet:
    """Measure and report."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - installed for this and the browser's tests alone

    bar = Bar(LEAST, at_most=False)
    with ExitStack() as stack:
        webhook = start(stack)
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = new_page(browser)
        sign_in(page, webhook)
        session = page.context.new_cdp_session(page)
        found = figures("while pages arrive", scrolled(page, session, DISTANCE), bar=bar)
        page.evaluate(_TO_THE_END, ASSETS)
        found += figures(f"{ASSETS} assets", scrolled(page, session, -DISTANCE, DISTANCE), bar=bar)
        found += figures("the same, faster", scrolled(page, session, -4 * DISTANCE, speed=4 * SPEED))
        elements = page.locator("#grid *").count()
        page.context.close()
        browser.close()
    return report("gallery", [*found, Figure("elements of the grid", elements, "")], form={"assets": ASSETS})
