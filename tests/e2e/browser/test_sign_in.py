"""Signing in at an OpenID Connect issuer, in Chromium, with a webhook and a provider on loopback."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.gallery_page import accessibility, new_page, violations
from tests.support.loopback_webhook import loopback_webhook
from tests.support.oidc_provider import AUDIENCE, CLIENT, OidcProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.support.webhook_process import WebhookProcess

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider().running() as provider:
        yield provider


@pytest.fixture(scope="module")
def webhook(provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookProcess]:
    own = {"OIDC_ISSUER": provider.url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_CLIENT_ID": CLIENT}
    with loopback_webhook(tmp_path_factory.mktemp("webhook"), own) as webhook:
        provider.redirect_uris.add(f"{webhook.url}/gallery")
        yield webhook


@pytest.fixture
def page(browser: Browser, webhook: WebhookProcess, provider: OidcProvider) -> Iterator[Page]:
    """The gallery of nobody, in a tab of its own."""
    provider.lifetime_s, provider.sends_issuer = 300, None
    provider.grants.clear()
    page = new_page(browser)
    page.goto(f"{webhook.url}/gallery")
    yield page
    assert violations(page) == []
    page.context.close()


def leave(page: Page) -> None:
    page.get_by_role("button", name=re.compile("Sign in at ")).click()


def sign_in(page: Page, user: str = "alice") -> None:
    leave(page)
    page.get_by_label("User").fill(user)
    page.get_by_role("button", name="Continue").click()
    page.locator("#empty, #grid .card").first.wait_for()


def held(page: Page) -> str:
    """Return all that the tab keeps."""
    return str(page.evaluate("JSON.stringify(sessionStorage)"))


def import_by_form(page: Page) -> None:
    page.get_by_role("button", name="Import…").click()
    page.get_by_label("URL").fill("https://example.com/film.mp4")
    page.get_by_role("button", name="Import from the URL").click()
    page.locator("#uploads").get_by_text("begun").wait_for()
    page.keyboard.press("Escape")
    page.locator("#grid .card").first.wait_for()


def test_user_signs_in_and_sees_their_own(page: Page, provider: OidcProvider, webhook: WebhookProcess) -> None:
    assert accessibility(page) == []
    visited: list[str] = []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    sign_in(page)
    assert provider.grants == ["authorization_code"]
    assert page.url == f"{webhook.url}/gallery"
    assert page.evaluate("history.length") <= 4
    import_by_form(page)
    assert accessibility(page) == []
    token = page.evaluate("JSON.parse(sessionStorage.getItem('mediaimport-session')).token")
    assert token.count(".") == 2
    assert [each for each in visited if token in each] == []
    assert token not in (webhook.folder / "webhook.log").read_text()
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies(webhook.url) == []

    page.reload()
    page.locator("#grid .card").first.wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.locator("#sign-in[open]").wait_for()
    assert held(page) == "{}"
    sign_in(page, "bob")
    page.locator("#empty").wait_for()
    assert page.locator("#grid .card").count() == 0


def test_token_is_renewed_before_it_ends(page: Page, provider: OidcProvider) -> None:
    provider.lifetime_s = 5  # Every request then is too near its end.
    sign_in(page)
    first = held(page)
    import_by_form(page)
    page.wait_for_function("(first) => JSON.stringify(sessionStorage) !== first", arg=first)
    assert "refresh_token" in provider.grants
    assert provider.refused == []
    assert page.locator("#sign-in[open]").count() == 0


def test_refused_renewal_asks_to_sign_in_again(page: Page, provider: OidcProvider) -> None:
    provider.lifetime_s = -60
    sign_in_refused(page)
    provider.forget_sessions()
    page.locator("#sign-in-error").filter(has_text=re.compile("expired")).wait_for()
    provider.refused.clear()
    provider.lifetime_s = 300
    sign_in(page)


def sign_in_refused(page: Page) -> None:
    leave(page)
    page.get_by_label("User").fill("alice")
    page.get_by_role("button", name="Continue").click()


def test_refusal_of_the_issuer_is_told(page: Page, provider: OidcProvider) -> None:
    leave(page)
    page.get_by_role("button", name="Refuse").click()
    page.locator("#sign-in-error").filter(has_text="You said no.").wait_for()
    assert "?" not in page.url
    assert provider.grants == []
    sign_in(page)


@pytest.mark.parametrize("query", ["code=stolen&state=made-up", "code=stolen", "error=oops&state=<script>"])
def test_answer_that_nobody_asked_for_is_refused(
    page: Page, provider: OidcProvider, webhook: WebhookProcess, query: str
) -> None:
    page.goto(f"{webhook.url}/gallery?{query}")
    page.locator("#sign-in-error").filter(has_text="not begun here").wait_for()
    assert page.url == f"{webhook.url}/gallery"
    assert provider.grants == []


def test_answer_of_another_issuer_is_refused(page: Page, provider: OidcProvider) -> None:
    provider.sends_issuer = "https://evil.test"
    sign_in_refused(page)
    page.locator("#sign-in-error").filter(has_text="another issuer").wait_for()
    assert provider.grants == []


def test_token_can_be_pasted_all_the_same(page: Page) -> None:
    page.get_by_label("Token").fill("bench-token-0123456789")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator("#sign-in").wait_for(state="hidden")


def test_id_token_is_sent_where_the_audience_is_the_client(
    browser: Browser, provider: OidcProvider, tmp_path: Path
) -> None:
    own = {"OIDC_ISSUER": provider.url, "OIDC_AUDIENCE": CLIENT, "OIDC_CLIENT_ID": CLIENT}
    provider.lifetime_s, provider.sends_issuer = 300, None
    with loopback_webhook(tmp_path, own) as webhook:
        provider.redirect_uris.add(f"{webhook.url}/gallery")
        page = new_page(browser)
        page.goto(f"{webhook.url}/gallery")
        sign_in(page)
        assert '\\"kind\\":\\"id_token\\"' in held(page)
        page.context.close()
