"""The page that shows the OpenAPI document."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.page_links import PageLinks

if TYPE_CHECKING:
    import httpx

    from tests.support.webhook import RunningWebhook, Start

SWAGGER_UI = Path(sys.prefix, "share/swagger-ui")


def get(webhook: RunningWebhook, path: str, **headers: str) -> httpx.Response:
    return webhook.run(webhook._client.get(path, headers=headers))


@pytest.fixture
def page(webhook: RunningWebhook) -> PageLinks:
    assert SWAGGER_UI.is_dir(), "run `make tools`"
    links = PageLinks()
    links.feed(get(webhook, "/docs").text)
    return links


def test_all_that_the_page_refers_to_is_served_here(webhook: RunningWebhook, page: PageLinks) -> None:
    assert len(page.links) == 5
    for each in page.links:
        answer = get(webhook, f"/{each}")
        assert (each, answer.status_code, len(answer.content) > 100) == (each, 200, True)
        assert "://" not in each


def test_policy_allows_no_other_host_and_nothing_inline(webhook: RunningWebhook, page: PageLinks) -> None:
    policy = get(webhook, "/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert re.findall(r"unsafe|https?:|\*", policy) == []
    assert page.inline == []


def test_files_are_sent_compressed_to_who_takes_that(webhook: RunningWebhook) -> None:
    small, large = (
        get(webhook, "/docs/swagger-ui-bundle.js", **{"accept-encoding": each}) for each in ("gzip, br", "identity")
    )
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in large.headers
    assert int(small.headers["content-length"]) < 500_000 < int(large.headers["content-length"])
    assert small.content == large.content
    assert {each.headers["content-type"] for each in (small, large)} == {"text/javascript; charset=utf-8"}


@pytest.mark.parametrize("name", ["LICENSE", "nothing.js", "..%2Fsettings.py", "%2Fetc%2Fpasswd", "page.py", "%00"])
def test_no_other_file_is_ever_sent(webhook: RunningWebhook, name: str) -> None:
    answer = get(webhook, f"/docs/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_page_that_is_not_installed_names_the_setting(start: Start, tmp_path: Path) -> None:
    answer = get(start(API_VIEWER_DIRECTORY=str(tmp_path)), "/docs")
    assert (answer.status_code, answer.json()["setting"]) == (503, "API_VIEWER_DIRECTORY")


def test_licence_is_kept_next_to_the_files() -> None:
    assert "Apache License" in (SWAGGER_UI / "LICENSE").read_text()
