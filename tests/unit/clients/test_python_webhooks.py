"""Webhooks of users by the client in Python, against a running webhook and an ill one."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import httpx
import pytest
from mediaimport_client import ProblemError

from tests.support.client_driver import Driver, Ill
from tests.support.webhook_process import ADMIN_TOKEN

HOOK = "https://hooks.example.com/mediaimport"


def test_webhook_is_made_listed_shown_and_deleted(driver: Driver, url: str) -> None:
    made = driver.open(url)("webhooks.create", HOOK, types=["asset.ready"])
    key = made.pop("signing_key")
    assert (made["url"], made["types"], key[:6]) == (HOOK, ["asset.ready"], "whsec_")
    assert driver("webhooks.get", made["id"]) == made
    assert driver("webhooks.list") == [made]
    assert driver("webhooks.deliveries", made["id"]) == []
    assert driver("webhooks.rotate_key", made["id"])["signing_key"] != key
    driver("webhooks.delete", made["id"])
    assert driver("webhooks.list") == []
    with pytest.raises(ProblemError) as missing:
        driver("webhooks.get", made["id"])
    assert missing.value.slug == "not-found"


def test_webhook_is_told_of_all_events_unless_types_are_named(driver: Driver, url: str) -> None:
    made = driver.open(url)("webhooks.create", HOOK)
    assert made["types"] == []
    driver("webhooks.delete", made["id"])


def test_webhook_is_tested_and_told_again(driver: Driver, url: str) -> None:
    made = driver.open(url)("webhooks.create", HOOK)
    tested = driver("webhooks.test", made["id"])
    (delivery,) = driver("webhooks.deliveries", made["id"])
    assert (delivery["type"], delivery["at"], delivery["outcome"]) == ("webhook.test", tested["at"], "pending")
    with pytest.raises(ProblemError) as often:
        driver("webhooks.test", made["id"])
    assert (often.value.status, often.value.slug) == (429, "too-many-requests")
    since = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert driver("webhooks.replay", made["id"], since=since)["since"] == "2030-01-01T12:00:00Z"
    driver("webhooks.delete", made["id"])


def test_admin_reads_and_deletes_the_webhook_of_a_user(driver: Driver, url: str) -> None:
    made = driver.open(url)("webhooks.create", HOOK)
    with closing(Driver(driver.kind)) as admin:
        assert admin.open(url, ADMIN_TOKEN)("webhooks.list") == []
        assert [each["id"] for each in admin("webhooks.list", user="default")] == [made["id"]]
        assert admin("webhooks.get", made["id"], user="default")["url"] == HOOK
        assert admin("webhooks.deliveries", made["id"], user="default") == []
        admin("webhooks.delete", made["id"], user="default")
    assert driver("webhooks.list") == []


def test_what_would_make_a_second_webhook_key_or_message_is_sent_once(driver: Driver) -> None:
    ill = Ill()
    driver.open("https://media.test", answer=ill)
    for name, argument in (("create", HOOK), ("rotate_key", "we_1"), ("test", "we_1"), ("replay", "we_1")):
        with pytest.raises(ProblemError):
            driver(f"webhooks.{name}", argument)
    assert len(ill.requests) == 4


def test_id_stays_one_part_of_the_path(driver: Driver) -> None:
    ill = Ill(httpx.Response(204))
    driver.open("https://media.test", answer=ill)("webhooks.delete", "../media/?x")
    assert ill.requests[0].url.raw_path == b"/api/v1/webhooks/..%2Fmedia%2F%3Fx"
