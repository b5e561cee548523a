"""Tests, replays and deliveries of a user's webhook, as the webhook and the operator share them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.event_records import FAILED_PREDICTION, USER_ENDPOINTS, UserEndpoint, UserEndpoints

from tests.support.webhook import ALICE, BOB, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.support.webhook import RunningWebhook, Start

WEBHOOKS = "/api/v1/webhooks"
RECORD, NOTE = "mediaimport.dev/record", "mediaimport.dev/deliveries"
NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=1)
"""A time after which no endpoint of a test is made, however late it runs."""


@pytest.fixture
def webhook(start: Start, tmp_path: Path) -> RunningWebhook:
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "current").write_text("m" * 32)
    return start(USER_ENDPOINTS_KEYS_DIRECTORY=str(keys))


@pytest.fixture
def path(webhook: RunningWebhook) -> str:
    """The path of a webhook of Alice."""
    made = webhook.call("POST", WEBHOOKS, json={"url": "https://hooks.example.com/"})
    return f"{WEBHOOKS}/{made.json()['id']}"


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def delivery(endpoint: str, at: datetime = NOW, *, outcome: str = "Delivered", status: int | None = 204) -> Any:  # noqa: ANN401 - JSON
    shown = {"endpoint": endpoint, "outcome": outcome, "at": text(at)}
    return shown if status is None else shown | {"httpStatus": status}


def lease(webhook: RunningWebhook, kind: str) -> dict[str, Any]:
    """The only record of a kind."""
    (found,) = (each for each in webhook.cluster.leases.values() if each["metadata"]["labels"][RECORD] == kind)
    return found


def endpoint(webhook: RunningWebhook) -> UserEndpoint:
    """The only endpoint, as the operator reads it."""
    annotations = lease(webhook, USER_ENDPOINTS)["metadata"]["annotations"]
    (found,) = UserEndpoints.model_validate_json(annotations[RECORD]).endpoints
    return found


def told(webhook: RunningWebhook, name: str, *deliveries: Any, at: datetime = NOW, user: str = "alice") -> None:  # noqa: ANN401 - JSON
    """Write an import of which endpoints are told, as the operator does."""
    item = {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": text(NOW)},
        "spec": {"source": {"url": "https://example.com/a"}, "userId": user, "assetId": name},
        "status": {"phase": "Ready", "notification": {"event": "Ready", "at": text(at), "deliveries": [*deliveries]}},
    }
    webhook.run(webhook.cluster.write(item))


def listed(webhook: RunningWebhook, path: str, *, number: int, token: str = ALICE, query: str = "") -> list[Any]:
    """Return the deliveries, once there are so many."""

    def shown() -> list[Any]:
        answer = webhook.call("GET", f"{path}/deliveries{query}", token=token)
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["deliveries"]
        return found

    webhook.until(lambda: len(shown()) >= number)
    return shown()


def test_deliveries_are_listed_with_their_time_and_status(webhook: RunningWebhook, path: str) -> None:
    own = id_of(path)
    told(webhook, "told", delivery(own, NOW + timedelta(seconds=3)), delivery("crm"))
    told(webhook, "given-up", delivery(own, NOW + timedelta(seconds=2), outcome="GivenUp", status=500))
    told(webhook, "waiting", delivery("we_another"), at=LATER)
    told(webhook, "bobs", delivery(own), user="bob")
    found = listed(webhook, path, number=3)
    assert [(each["id"], each["outcome"], each["http_status"]) for each in found] == [
        ("waiting", "pending", None),
        ("told", "delivered", 204),
        ("given-up", "given_up", 500),
    ]
    assert found[1] == {
        "type": "asset.ready",
        "id": "told",
        "at": text(NOW),
        "outcome": "delivered",
        "ended_at": text(NOW + timedelta(seconds=3)),
        "http_status": 204,
        "error": None,
    }


def test_events_that_it_is_not_told_of_are_not_listed(webhook: RunningWebhook, path: str) -> None:
    told(webhook, "from-before", delivery("crm"), at=NOW - timedelta(days=1))
    told(webhook, "told", delivery(id_of(path)))
    assert [each["id"] for each in listed(webhook, path, number=1)] == ["told"]
    other = webhook.call("POST", WEBHOOKS, json={"url": "https://hooks.example.com/", "types": ["asset.failed"]})
    assert webhook.call("GET", f"{WEBHOOKS}/{other.json()['id']}/deliveries").json() == {"deliveries": []}


def test_failed_predictions_are_listed(webhook: RunningWebhook, path: str) -> None:
    for number, note in enumerate((json.dumps({"deliveries": [delivery(id_of(path))]}), "{}")):
        failed = {
            "provider": "replicate", "prediction": f"p{number}", "user": "alice", "state": "failed",
            "reason": "PredictionNotSucceeded", "at": text(LATER),
        }  # fmt: skip
        labels = {RECORD: FAILED_PREDICTION, "mediaimport.dev/user": "alice"}
        about = {"name": f"event-{number}", "labels": labels, "annotations": {RECORD: json.dumps(failed), NOTE: note}}
        webhook.run(webhook.cluster.create_lease({"metadata": about}))
    broken = {"name": "broken", "labels": labels, "annotations": {RECORD: '{"prediction": 5}'}}
    webhook.run(webhook.cluster.create_lease({"metadata": broken}))
    found = listed(webhook, path, number=2)
    assert {(each["type"], each["id"], each["outcome"]) for each in found} == {
        ("prediction.failed", "p0", "delivered"),
        ("prediction.failed", "p1", "pending"),
    }


def test_fifty_at_most_are_listed_the_newest(webhook: RunningWebhook, path: str) -> None:
    for number in range(55):
        told(webhook, f"film{number}", delivery(id_of(path), NOW + timedelta(seconds=number)))
    last = [f"film{number}" for number in range(54, 4, -1)]
    webhook.until(lambda: [each["id"] for each in listed(webhook, path, number=50)] == last)


def test_test_is_recorded_and_listed_with_its_outcome(webhook: RunningWebhook, path: str) -> None:
    answer = webhook.call("POST", f"{path}/test")
    asked = endpoint(webhook).test
    assert asked is not None
    assert (answer.status_code, answer.json(), asked.number) == (202, {"at": text(asked.at)}, 1)
    (shown,) = listed(webhook, path, number=1)
    assert (shown["type"], shown["outcome"], shown["at"]) == ("webhook.test", "pending", text(asked.at))
    outcome = {"number": 1, "delivery": delivery(id_of(path), outcome="GivenUp", status=None), "error": "no answer"}
    lease(webhook, USER_ENDPOINTS)["metadata"]["annotations"][NOTE] = json.dumps({"tests": [outcome]})
    (shown,) = listed(webhook, path, number=1)
    assert (shown["outcome"], shown["http_status"], shown["error"]) == ("given_up", None, "no answer")


def test_replay_is_recorded_and_what_it_tells_again_is_pending(webhook: RunningWebhook, path: str) -> None:
    told(webhook, "old", delivery(id_of(path)), at=NOW - timedelta(days=3))
    told(webhook, "new", delivery(id_of(path)))
    assert {each["outcome"] for each in listed(webhook, path, number=2)} == {"delivered"}
    since = text(NOW - timedelta(days=2))
    answer = webhook.call("POST", f"{path}/replay?since={since}")
    replay = endpoint(webhook).replay
    assert replay is not None
    assert replay.at > datetime.now(UTC) - timedelta(seconds=1), "what ended in this second is told again, too"
    assert (answer.status_code, answer.json()) == (202, {"since": since, "at": text(replay.at)})
    outcomes = {each["id"]: each["outcome"] for each in listed(webhook, path, number=2)}
    assert outcomes == {"old": "delivered", "new": "pending"}


def test_replay_begins_by_default_a_day_ago(webhook: RunningWebhook, path: str) -> None:
    since = datetime.fromisoformat(webhook.call("POST", f"{path}/replay").json()["since"])
    assert timedelta(days=1) <= datetime.now(UTC) - since < timedelta(days=1, minutes=5)


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", ""])
def test_replay_since_no_time_is_refused(webhook: RunningWebhook, path: str, since: str) -> None:
    answer = webhook.call("POST", f"{path}/replay?since={since}")
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, ["?since"])
    assert endpoint(webhook).replay is None


@pytest.mark.parametrize(("action", "least"), [("test", 5), ("replay", 500)])
def test_second_one_at_once_is_to_come_later(webhook: RunningWebhook, path: str, action: str, least: int) -> None:
    assert webhook.call("POST", f"{path}/{action}").status_code == 202
    answer = webhook.call("POST", f"{path}/{action}")
    assert answer.status_code == 429
    assert least <= int(answer.headers["retry-after"]) <= 601


def requests(path: str) -> tuple[tuple[str, str], ...]:
    return ("POST", f"{path}/test"), ("POST", f"{path}/replay"), ("GET", f"{path}/deliveries")


def test_another_user_is_told_of_nothing_and_an_admin_lists(webhook: RunningWebhook, path: str) -> None:
    told(webhook, "told", delivery(id_of(path)))
    for token in (BOB, ROOT):
        assert [webhook.call(method, each, token=token).status_code for method, each in requests(path)] == [404] * 3
    assert webhook.call("GET", f"{path}/deliveries?user=alice", token=BOB).status_code == 403
    (shown,) = listed(webhook, path, number=1, token=ROOT, query="?user=alice")
    assert shown["id"] == "told"


def test_where_users_may_have_none_it_is_said(start: Start) -> None:
    webhook = start()
    answers: list[httpx.Response] = [webhook.call(*each) for each in requests(f"{WEBHOOKS}/we_1")]
    assert [each.json().get("setting") for each in answers] == ["USER_ENDPOINTS_KEYS_DIRECTORY"] * 3
