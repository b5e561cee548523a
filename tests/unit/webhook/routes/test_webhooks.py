"""Webhooks of users: made, listed, deleted, and their keys."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
from mediaimport_api.event_records import EVENT_TYPES, USER_ENDPOINTS, UserEndpoints
from mediaimport_runtime.master_keys import MasterKeys
from mediaimport_webhook.http.schemas.webhooks import EventType

from tests.support.webhook import ALICE, BOB, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.support.webhook import RunningWebhook, Start

WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.example.com/alice?part=1"
MASTER = "m" * 32


@pytest.fixture
def webhook(start: Start, tmp_path: Path) -> RunningWebhook:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "current").write_text(MASTER)
    return start(USER_ENDPOINTS_KEYS_DIRECTORY=str(keys))


def make(webhook: RunningWebhook, *, token: str = ALICE, **body: object) -> httpx.Response:
    return webhook.call("POST", WEBHOOKS, token=token, json={"url": URL} | body)


def made(webhook: RunningWebhook, *, token: str = ALICE, **body: object) -> dict[str, Any]:
    answer = make(webhook, token=token, **body)
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content


def listed(webhook: RunningWebhook, *, token: str = ALICE, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = webhook.call("GET", WEBHOOKS + query, token=token).json()["webhooks"]
    return found


def slug(answer: httpx.Response) -> str:
    kind: str = answer.json()["type"]
    return kind.rpartition("/")[2]


def records(webhook: RunningWebhook) -> list[UserEndpoints]:
    """The records as the operator reads them."""
    found = [each["metadata"] for each in webhook.cluster.leases.values()]
    return [
        UserEndpoints.model_validate_json(each["annotations"]["mediaimport.dev/record"])
        for each in found
        if each["labels"]["mediaimport.dev/record"] == USER_ENDPOINTS
    ]


def test_webhook_is_made_with_a_key_that_only_this_answer_has(webhook: RunningWebhook) -> None:
    answer = make(webhook, types=["asset.ready"])
    told = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert (told["url"], told["types"]) == (URL, ["asset.ready"])
    assert told["signing_key"] == MasterKeys((MASTER.encode(),)).signing_key(told["id"], 1)
    key = told.pop("signing_key")
    assert listed(webhook) == [told]
    assert webhook.call("GET", f"{WEBHOOKS}/{told['id']}").json() == told
    (record,) = records(webhook)
    assert (record.user, [each.url for each in record.endpoints]) == ("alice", [URL])
    assert not any(each in json.dumps(webhook.cluster.leases) for each in (key, MASTER))


def test_record_stays_until_it_is_deleted(webhook: RunningWebhook) -> None:
    made(webhook)
    (lease,) = webhook.cluster.leases.values()
    assert "mediaimport.dev/expires" not in lease["metadata"]["labels"]
    assert lease["metadata"]["labels"]["mediaimport.dev/user"] == "alice"


def test_deleted_webhook_is_gone_and_the_others_stay(webhook: RunningWebhook) -> None:
    first, second = made(webhook), made(webhook)
    assert webhook.call("DELETE", f"{WEBHOOKS}/{first['id']}").status_code == 204
    assert webhook.call("DELETE", f"{WEBHOOKS}/{first['id']}").status_code == 404
    assert [each["id"] for each in listed(webhook)] == [second["id"]]
    assert [each.id for each in records(webhook)[0].endpoints] == [second["id"]]


def test_user_sees_and_changes_own_webhooks_only(webhook: RunningWebhook) -> None:
    alices = made(webhook)
    assert listed(webhook, token=BOB) == []
    path = f"{WEBHOOKS}/{alices['id']}"
    requests = (("GET", path), ("DELETE", path), ("POST", f"{path}/rotate-key"))
    assert [webhook.call(method, each, token=BOB).status_code for method, each in requests] == [404] * 3
    for method, each in requests[:2]:
        answer = webhook.call(method, f"{each}?user=alice", token=BOB)
        assert (answer.status_code, slug(answer)) == (403, "admins-only")
    assert webhook.call("GET", f"{WEBHOOKS}?user=bob", token=BOB).status_code == 200
    assert len(listed(webhook)) == 1


def test_admin_lists_and_deletes_those_of_a_user(webhook: RunningWebhook) -> None:
    alices = made(webhook)
    assert listed(webhook, token=ROOT) == []
    assert [each["id"] for each in listed(webhook, token=ROOT, query="?user=alice")] == [alices["id"]]
    assert webhook.call("DELETE", f"{WEBHOOKS}/{alices['id']}?user=alice", token=ROOT).status_code == 204
    assert listed(webhook) == []


def test_user_has_five_at_most_also_at_once(webhook: RunningWebhook) -> None:
    async def many() -> list[int]:
        headers = {"Authorization": f"Bearer {ALICE}"}
        sent = [webhook.send("POST", WEBHOOKS, headers=headers, json={"url": URL}) for _ in range(8)]
        return [each.status_code for each in await asyncio.gather(*sent)]

    statuses = webhook.run(many())
    # One that loses the race too often is to come again.
    assert set(statuses) <= {201, 409, 503}
    while len(listed(webhook)) < 5:
        made(webhook)
    answer = make(webhook)
    assert (answer.status_code, slug(answer)) == (409, "too-many-webhooks")
    assert len(records(webhook)[0].endpoints) == 5
    assert made(webhook, token=BOB)


def test_rotated_key_is_new_and_shown_once(webhook: RunningWebhook) -> None:
    one, other = made(webhook), made(webhook)
    answer = webhook.call("POST", f"{WEBHOOKS}/{one['id']}/rotate-key")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    keys = MasterKeys((MASTER.encode(),))
    assert answer.json()["signing_key"] == keys.signing_key(one["id"], 2) != one["signing_key"]
    numbers = {each.id: each.key_number for each in records(webhook)[0].endpoints}
    assert numbers == {one["id"]: 2, other["id"]: 1}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://127.0.0.1/"}, "/url"),
        ({"url": "https://[::1]/"}, "/url"),
        ({"url": "http://169.254.169.254/latest"}, "/url"),
        ({"url": "https://kubernetes.default.svc.cluster.local/"}, "/url"),
        ({"url": "https://hooks.example.com:6443/"}, "/url"),
        ({"url": "https://me:secret@hooks.example.com/"}, "/url"),
        ({"url": "ftp://hooks.example.com/"}, "/url"),
        ({"url": "https://hooks.example.com/" + "a" * 2048}, "/url"),
        ({"url": "https://hooks.example.com/a b"}, "/url"),
        ({"url": "https://höoks.example.com/"}, "/url"),
        ({"url": 5}, "/url"),
        ({"types": ["asset.changed"]}, "/types/0"),
        ({"types": ["asset.ready", "asset.ready"]}, "/types"),
        ({"user": "bob"}, "/user"),
    ],
)
def test_body_that_is_refused_names_the_field(webhook: RunningWebhook, body: dict[str, Any], pointer: str) -> None:
    answer = make(webhook, **body)
    assert (answer.status_code, slug(answer)) == (422, "invalid-field")
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert webhook.cluster.leases == {}


def test_where_users_may_have_none_each_route_says_which_setting_is_missing(start: Start) -> None:
    webhook = start()
    requests = (
        ("GET", WEBHOOKS),
        ("POST", WEBHOOKS),
        ("GET", f"{WEBHOOKS}/we_1"),
        ("DELETE", f"{WEBHOOKS}/we_1"),
        ("POST", f"{WEBHOOKS}/we_1/rotate-key"),
    )
    for method, path in requests:
        answer = webhook.call(method, path, json={"url": URL})
        assert (answer.status_code, answer.json().get("setting")) == (503, "USER_ENDPOINTS_KEYS_DIRECTORY"), path
        assert "the chart by its value events.userEndpoints.enabled" in answer.json()["detail"]


def test_api_server_that_is_away_is_told(webhook: RunningWebhook) -> None:
    webhook.cluster.down = True
    assert [make(webhook).status_code, webhook.call("GET", WEBHOOKS).status_code] == [503, 503]


def test_document_names_the_types_that_there_are() -> None:
    assert set(get_args(EventType)) == set(EVENT_TYPES)
