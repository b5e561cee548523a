"""Events as svix and standardwebhooks (npm) verify them, in a receiver that has nothing of ours."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.event_records import EndpointTest, FailedPrediction, UserEndpoint
from mediaimport_api.status import AssetEvent, Notification, Status
from mediaimport_operator.notify import message as messages
from mediaimport_operator.notify.poster import Poster
from mediaimport_operator.observe.resource import read
from mediaimport_operator.settings.events import Endpoint

from dev.bench.operator.events import KEY, Receiver, receiving, wait_until
from tests.support.endpoints import OTHER_KEY
from tests.support.event_receivers import LOOPBACK, free_port
from tests.support.operator_fakes import Build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mediaimport_operator.notify.message import Message

NOW = datetime.now(UTC)
FAILED = FailedPrediction(
    provider="replicate", prediction="p1", user="ada", state="failed", reason="PredictionNotSucceeded", at=NOW
)


def about_an_asset(event: AssetEvent) -> Message:
    told = Notification(event=event, at=NOW)
    return messages.message(read(Build().mediaimport(name='Füße 🦶 "\u2028".mp4')), Status(notification=told), told)


def of_a_test(url: str) -> Message:
    endpoint = UserEndpoint(id="we_1", url=url, created_at=NOW)
    return messages.test_message(endpoint, EndpointTest(number=1, at=NOW), user_id="ada")


@pytest.fixture(scope="module")
def stranger() -> Iterator[tuple[Receiver, str]]:
    """The receiver and its URL."""
    port = free_port()
    with receiving(port) as receiver:
        yield receiver, f"http://127.0.0.1:{port}/"


def verified(
    stranger: tuple[Receiver, str], sent: Message, keys: tuple[str, ...], *, at: datetime = NOW, body: str | None = None
) -> set[bool]:
    """Return what the libraries say of a message."""
    receiver, url = stranger
    before = len(receiver.messages)
    headers = sent.headers(Endpoint("crm", url, keys), now=at)
    assert asyncio.run(Poster(LOOPBACK).post(url, body or sent.body, headers)).accepted
    wait_until(lambda: len(receiver.messages) > before, 60, "the message")
    answers: dict[str, bool] = receiver.messages[-1]["verified"]
    assert answers.keys() == {"svix", "standardwebhooks"}
    return set(answers.values())


def test_each_kind_of_event_is_verified(stranger: tuple[Receiver, str]) -> None:
    kinds = [*map(about_an_asset, AssetEvent), messages.prediction_message(FAILED), of_a_test(stranger[1])]
    assert [verified(stranger, each, (KEY,)) for each in kinds] == [{True}] * len(kinds)


def test_event_with_two_signatures_is_verified_by_either_key(stranger: tuple[Receiver, str]) -> None:
    sent = about_an_asset(AssetEvent.READY)
    assert verified(stranger, sent, (OTHER_KEY, KEY)) == verified(stranger, sent, (KEY, OTHER_KEY)) == {True}


def test_forged_and_old_events_are_refused(stranger: tuple[Receiver, str]) -> None:
    sent = about_an_asset(AssetEvent.READY)
    assert verified(stranger, sent, (OTHER_KEY,)) == {False}
    assert verified(stranger, sent, (KEY,), at=NOW - timedelta(minutes=6)) == {False}
    assert verified(stranger, sent, (KEY,), body=sent.body.replace("ready", "failed")) == {False}
