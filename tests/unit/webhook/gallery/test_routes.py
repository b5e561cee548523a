"""The gallery's page and its files, as the webhook serves them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import mediaimport_webhook.gallery
import pytest

from tests.support.page_links import PageLinks

if TYPE_CHECKING:
    import httpx

    from tests.support.webhook import RunningWebhook

FOLDER = Path(mediaimport_webhook.gallery.__file__).parent


def get(webhook: RunningWebhook, path: str, **headers: str) -> httpx.Response:
    return webhook.run(webhook._client.get(path, headers=headers))


@pytest.fixture
def page(webhook: RunningWebhook) -> PageLinks:
    links = PageLinks()
    links.feed(get(webhook, "/gallery").text)
    return links


def imported(script: Path) -> set[str]:
    """Return the files that a module imports."""
    return set(re.findall(r'^import .* from "\./(.*)";$', script.read_text(), re.MULTILINE))


def test_all_that_the_page_refers_to_is_served_here(webhook: RunningWebhook, page: PageLinks) -> None:
    modules = {f"gallery/{name}" for script in FOLDER.glob("*.js") for name in imported(script)}
    assert {"gallery/main.js", "gallery/style.css"} <= set(page.links)
    assert {f"gallery/{script.name}" for script in FOLDER.glob("*.js")} == modules | {"gallery/main.js"}
    for each in {*page.links, *modules} - {"docs"}:
        answer = get(webhook, f"/{each}")
        assert (each, answer.status_code, len(answer.content) > 100) == (each, 200, True)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_policy_allows_scripts_from_here_and_media_from_the_store(webhook: RunningWebhook, page: PageLinks) -> None:
    policy = get(webhook, "/gallery").headers["content-security-policy"]
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["img-src"] == directives["connect-src"] == "'self' https://cdn.test"
    assert directives["media-src"] == "https://cdn.test"
    assert directives["require-trusted-types-for"] == "'script'"
    assert directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
    assert page.inline == []


def test_no_script_makes_markup_of_text_or_puts_the_token_into_a_url() -> None:
    for script in FOLDER.glob("*.js"):
        source = script.read_text()
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage", source) == []
    assert [each.name for each in FOLDER.glob("*.js") if "token()" in each.read_text()] == ["api.js", "session.js"]


def test_no_other_file_of_the_folder_is_served(webhook: RunningWebhook) -> None:
    for name in ("routes.py", "__init__.py", "..%2froutes.py", "nothing.js"):
        assert get(webhook, f"/gallery/{name}").status_code == 404


def test_path_with_a_slash_leads_to_the_page(webhook: RunningWebhook) -> None:
    assert get(webhook, "/gallery/").headers["location"] == "../gallery"
