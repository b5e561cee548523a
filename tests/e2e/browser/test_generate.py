"""The form that starts a generation, made of the schema of a model's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.gallery_page import accessibility, picture

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
PATH = "**/api/v1/replicate/wan-video-t2v"


@pytest.fixture
def form(local_page: Page) -> Locator:
    local_page.get_by_role("button", name="Generate…").click()
    return local_page.locator("#generating")


def test_form_has_a_field_for_each_of_the_models_input(form: Locator, local_page: Page) -> None:
    assert form.get_by_label("Model").input_value() == "wan-video-t2v"
    prompt = form.get_by_label("prompt *")
    assert prompt.evaluate("each => [each.tagName, each.maxLength, each.required]") == ["TEXTAREA", 100, True]
    assert form.get_by_label("size").locator("option").all_inner_texts() == ["480p", "720p"]
    assert form.get_by_label("size").input_value() == "720p"
    assert form.get_by_label("seed").evaluate("each => [each.type, each.min]") == ["number", "0"]
    prompt.fill("a rabbit in a meadow, at dawn")
    picture(local_page, "generate")
    assert accessibility(local_page) == []


def test_prediction_starts_with_what_was_filled_in(form: Locator, local_page: Page) -> None:
    form.get_by_label("prompt *").fill("a rabbit")
    form.get_by_label("duration").select_option("10s")
    form.get_by_label("Tags").fill("fun, rabbit")
    with local_page.expect_request(PATH) as sent:
        form.get_by_role("button", name="Start").click()
    expected = {"prompt": "a rabbit", "size": "720p", "duration": "10s", "tags": ["fun", "rabbit"]}
    assert sent.value.post_data_json == expected
    form.locator("#generations li").filter(has_text="wan-video-t2v: starting").wait_for()


def test_lost_answer_starts_no_second_prediction(form: Locator, local_page: Page) -> None:
    keys: list[str] = []
    local_page.on(
        "request", lambda each: keys.append(each.headers["idempotency-key"]) if each.method == "POST" else None
    )
    local_page.route(PATH, lambda route: route.abort(), times=1)
    form.get_by_label("prompt *").fill("a hare")
    form.get_by_role("button", name="Start").click()
    form.locator("#generations li").filter(has_text="does not answer").wait_for()
    form.get_by_role("button", name="Start").click()
    form.locator("#generations li").filter(has_text="starting").wait_for()
    form.get_by_role("button", name="Start").click()
    local_page.wait_for_function("document.querySelectorAll('#generations li').length === 3")
    assert keys[0] == keys[1] != keys[2]


def test_refusal_names_the_field(form: Locator, local_page: Page) -> None:
    form.get_by_label("prompt *").fill("x")
    local_page.evaluate("document.querySelector('[name=input-prompt]').removeAttribute('maxlength')")
    form.get_by_label("prompt *").fill("x" * 101)
    form.get_by_role("button", name="Start").click()
    form.locator("#generations li").filter(has_text="/prompt: must be at most 100 characters").wait_for()


def test_models_are_forgotten_with_the_caller(local_page: Page) -> None:
    local_page.get_by_role("button", name="Generate…").wait_for()
    local_page.get_by_role("button", name="Sign out").click()
    local_page.locator("#generate").wait_for(state="hidden")
