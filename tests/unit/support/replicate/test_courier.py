from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from standardwebhooks.webhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.support.replicate.conftest import World

    StartWorld = Callable[..., Awaitable[World]]

pytestmark = pytest.mark.anyio

HOOK = {"webhook": "http://webhook.test/hook", "webhook_events_filter": ["completed"]}


async def test_webhook_is_the_prediction_and_its_signature_verifies(start: StartWorld) -> None:
    world = await start()
    done = await world.settled((await world.create(**HOOK))["id"])
    (request,) = world.receiver.requests
    verified = Webhook(world.service.settings.webhook_secret).verify(request.content, dict(request.headers))
    assert verified == done


async def test_start_is_told_too_unless_filtered(start: StartWorld) -> None:
    world = await start()
    await world.settled((await world.create(webhook="http://webhook.test/hook"))["id"])
    assert [json.loads(each.content)["status"] for each in world.receiver.requests] == ["processing", "succeeded"]


async def test_refused_terminal_event_is_repeated_under_the_same_id_until_accepted(start: StartWorld) -> None:
    world = await start()
    world.receiver.answers[:] = [500, 503]
    await world.settled((await world.create(**HOOK))["id"])
    assert len(world.receiver.requests) == 3
    assert len({each.headers["webhook-id"] for each in world.receiver.requests}) == 1
    deliveries = (await world.api.get("/stand-in/deliveries")).json()
    assert [each["http_status"] for each in deliveries] == [500, 503, 200]


async def test_repeats_end_when_the_waits_are_used_up(start: StartWorld) -> None:
    world = await start(webhook_waits_s=(0, 0))
    world.receiver.answers[:] = [500] * 10
    await world.settled((await world.create(**HOOK))["id"])
    assert len(world.receiver.requests) == 3


async def test_event_before_the_end_is_never_repeated(start: StartWorld) -> None:
    world = await start()
    world.receiver.answers[:] = [500, 200]
    body = {"webhook": "http://webhook.test/hook", "webhook_events_filter": ["start"]}
    await world.settled((await world.create(**body))["id"])
    assert len(world.receiver.requests) == 1


async def test_redirect_is_not_followed(start: StartWorld) -> None:
    world = await start(webhook_waits_s=())
    world.receiver.answers[:] = [302]
    await world.settled((await world.create(**HOOK))["id"])
    assert [each.url.host for each in world.receiver.requests] == ["webhook.test"]


async def test_lost_webhook_is_sent_when_asked_for_but_not_by_itself(start: StartWorld) -> None:
    world = await start()
    await world.settled((await world.create(**HOOK, input={"stand_in": {"webhook": False}}))["id"])
    assert world.receiver.requests == []


async def test_delivered_webhook_can_be_sent_once_more(start: StartWorld) -> None:
    world = await start()
    done = await world.settled((await world.create(**HOOK))["id"])
    await world.api.post(f"/stand-in/predictions/{done['id']}/webhook")
    assert len(world.receiver.requests) == 2
