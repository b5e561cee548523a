"""Conditional requests and long polls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.webhook import ALICE, BOB, ROOT
from tests.unit.webhook.routes.test_media import start_import

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import httpx

    from tests.support.webhook import RunningWebhook, Start

LIST = "/api/v1/media/"


def write_phase(webhook: RunningWebhook, asset_id: str, phase: str) -> Coroutine[Any, Any, Any]:
    (resource,) = [each for each in webhook.cluster.imports.values() if each["spec"]["assetId"] == asset_id]
    return webhook.cluster.write(resource | {"status": {"phase": phase}})


def poll(
    webhook: RunningWebhook, path: str, *, token: str = ALICE, **headers: str
) -> Coroutine[Any, Any, httpx.Response]:
    named = {name.replace("_", "-"): each for name, each in headers.items()}
    return webhook.send("GET", path, headers={"Authorization": f"Bearer {token}", **named})


def waiting(webhook: RunningWebhook) -> float | None:
    return webhook.sample("mediaimport_webhook_waiting_requests")


async def all_wait(webhook: RunningWebhook, count: int) -> None:
    """Let the requests run until so many of them wait."""
    async with asyncio.timeout(60):
        while waiting(webhook) != count:  # noqa: ASYNC110 - a gauge wakes nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("path", [LIST, "one"])
def test_answer_that_the_caller_has_is_304_until_it_changes(webhook: RunningWebhook, path: str) -> None:
    asset_id = start_import(webhook)
    path = LIST + asset_id if path == "one" else path
    first = webhook.call("GET", path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = webhook.call("GET", path, headers={"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), condition
    webhook.run(write_phase(webhook, asset_id, "Importing"))
    webhook.until(lambda: webhook.call("GET", path, headers={"If-None-Match": tag}).status_code == 200)
    changed = webhook.call("GET", path)
    assert changed.headers["etag"] != tag
    assert changed.json() != first.json()


@pytest.mark.parametrize("condition", ["", "x", '"', '""', "W/", ",,,", '"\u00e9"', "a" * 8000])
def test_condition_that_is_no_tag_changes_nothing(webhook: RunningWebhook, condition: str) -> None:
    asset_id = start_import(webhook)
    answer = webhook.call("GET", LIST + asset_id, headers={"If-None-Match": condition.encode()})
    assert (answer.status_code, answer.json()["id"]) == (200, asset_id)


def test_tag_of_one_user_tells_another_nothing(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    tag = webhook.call("GET", LIST + asset_id).headers["etag"]
    for condition in (tag, "*"):
        headers = {"If-None-Match": condition}
        assert webhook.call("GET", LIST + asset_id, token=BOB, headers=headers).status_code == 404
        assert webhook.call("GET", LIST + asset_id, token=ROOT, headers=headers).status_code == 304


def test_tag_of_a_list_tells_order_and_whether_more_follow(webhook: RunningWebhook) -> None:
    ids = {start_import(webhook) for _ in range(2)}
    tags = [webhook.call("GET", f"{LIST}?sort={each}").headers["etag"] for each in ("newest", "oldest")]
    assert tags[0] != tags[1]
    first = webhook.call("GET", f"{LIST}?limit=1")
    (shown,) = first.json()["assets"]
    webhook.call("DELETE", LIST + (ids - {shown["id"]}).pop())
    alone = webhook.call("GET", f"{LIST}?limit=1", headers={"If-None-Match": first.headers["etag"]})
    assert alone.json() == {"assets": [shown], "next": None}
    assert alone.headers["etag"] != first.headers["etag"]


def test_wait_ends_with_the_import_and_many_waiters_cost_no_request(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)

    async def scene() -> list[httpx.Response]:
        polls = [asyncio.ensure_future(poll(webhook, f"{LIST}{asset_id}?wait=60")) for _ in range(50)]
        await all_wait(webhook, 50)
        webhook.cluster.calls.clear()
        await write_phase(webhook, asset_id, "Importing")
        await write_phase(webhook, asset_id, "Failed")
        answers = await asyncio.gather(*polls)
        reads = [each for each in webhook.cluster.calls if "list" in str(each)]
        assert (reads, webhook.sidecars.reads) == ([], [])
        return answers

    answers = webhook.run(scene())
    assert {(each.status_code, each.json()["status"]) for each in answers} == {(200, "failed")}
    assert waiting(webhook) == 0
    # Their durations are no latency.
    count = "mediaimport_webhook_http_request_duration_seconds_count"
    assert webhook.sample(count, route="/api/v1/media/{id}") is None


def test_wait_with_a_tag_ends_at_the_first_change(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    tag = webhook.call("GET", LIST + asset_id).headers["etag"]

    async def scene() -> httpx.Response:
        waiting = asyncio.ensure_future(poll(webhook, f"{LIST}{asset_id}?wait=60", If_None_Match=tag))
        await all_wait(webhook, 1)
        await write_phase(webhook, asset_id, "Importing")
        return await waiting

    answer = webhook.run(scene())
    assert (answer.status_code, answer.json()["phase"]) == (200, "Importing")


def test_wait_is_bounded_and_then_tells_how_it_is(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    answer = webhook.call("GET", f"{LIST}{asset_id}?wait=1")
    assert (answer.status_code, answer.json()["status"]) == (200, "uploading")
    same = webhook.call("GET", f"{LIST}{asset_id}?wait=1", headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304


def test_wait_ends_when_the_asset_goes(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)
    (name,) = webhook.cluster.imports

    async def scene() -> httpx.Response:
        waiting = asyncio.ensure_future(poll(webhook, f"{LIST}{asset_id}?wait=60"))
        await all_wait(webhook, 1)
        await webhook.cluster.remove(name)
        return await waiting

    assert webhook.run(scene()).status_code == 404


def test_wait_ends_when_the_server_drains(webhook: RunningWebhook) -> None:
    asset_id = start_import(webhook)

    async def scene() -> httpx.Response:
        waiting = asyncio.ensure_future(poll(webhook, f"{LIST}{asset_id}?wait=60"))
        await all_wait(webhook, 1)
        webhook.stopping.set()
        return await waiting

    answer = webhook.run(scene())
    assert (answer.status_code, answer.json()["status"], answer.headers["connection"]) == (200, "uploading", "close")


def test_user_has_a_limited_number_of_waiting_requests_and_another_is_429(start: Start) -> None:
    webhook = start(EVENT_STREAMS_PER_USER="1")
    asset_id = start_import(webhook)

    async def scene() -> list[int]:
        waiting = asyncio.ensure_future(poll(webhook, f"{LIST}{asset_id}?wait=60"))
        await all_wait(webhook, 1)
        refused = await poll(webhook, f"{LIST}{asset_id}?wait=60")
        plain = await poll(webhook, f"{LIST}{asset_id}")
        await write_phase(webhook, asset_id, "Ready")
        return [refused.status_code, plain.status_code, (await waiting).status_code]

    assert webhook.run(scene()) == [429, 200, 200]


@pytest.mark.parametrize("wait", ["61", "-1", "x", "", "1.5", "%D9%A1", "000", "99999999999"])
def test_wait_of_another_length_is_422(webhook: RunningWebhook, wait: str) -> None:
    answer = webhook.call("GET", f"{LIST}{start_import(webhook)}?wait={wait}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?wait")


def test_wait_for_another_users_asset_is_404_at_once(webhook: RunningWebhook) -> None:
    assert webhook.call("GET", f"{LIST}{start_import(webhook)}?wait=60", token=BOB).status_code == 404
