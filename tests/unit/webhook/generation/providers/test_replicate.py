from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_webhook.generation.providers import PredictionOutcome
from mediaimport_webhook.generation.providers.replicate import Replicate
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.settings import Settings
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from mediaimport_webhook.generation.providers import Prediction

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BODY = b'{"id": "p", "status": "succeeded"}'


class World:
    def __init__(self, **variables: str) -> None:
        self.key = OLD
        self.asked = 0
        self.failing = False
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        least = {"NAMESPACE": "n", "S3_BUCKET_NAME": "b", "REPLICATE_API_TOKEN": "r8_x"}
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.replicate = Replicate(Settings.read(Environment(least | variables)), http, clock=lambda: self.now)

    async def _answer(self, _: httpx.Request) -> httpx.Response:
        self.asked += 1
        await asyncio.sleep(0)
        return httpx.Response(500) if self.failing else httpx.Response(200, json={"key": self.key})

    def verify(self, secret: str) -> None:
        headers = {
            "webhook-id": "m",
            "webhook-timestamp": str(int(self.now.timestamp())),
            "webhook-signature": Webhook(secret).sign("m", self.now, BODY.decode()),
        }
        asyncio.run(self.replicate.verify(headers, BODY))

    def parse(self, **content: object) -> Prediction:
        body = json.dumps({"id": "p", "status": "succeeded"} | content).encode()
        return asyncio.run(self.replicate.parse(body))


def test_rotated_secret_is_asked_for_again_but_not_at_every_callback() -> None:
    world = World()
    world.verify(OLD)
    world.key = NEW
    with pytest.raises(Problem):
        world.verify(NEW)
    assert world.asked == 1
    world.now += timedelta(seconds=61)
    world.verify(NEW)
    with pytest.raises(Problem):
        world.verify(OLD)
    assert world.asked == 2


def test_unusable_secret_is_one_line_that_names_the_variable() -> None:
    with pytest.raises(BadSettingError, match=r"^REPLICATE_WEBHOOK_SECRETS") as refusal:
        World(REPLICATE_WEBHOOK_SECRETS=f"{OLD},oops")
    assert "\n" not in str(refusal.value)


def test_missing_models_file_is_one_line_that_names_the_variable() -> None:
    with pytest.raises(BadSettingError, match=r"^REPLICATE_MODELS_FILE") as refusal:
        World(REPLICATE_MODELS_FILE="/nowhere/models.json")
    assert "\n" not in str(refusal.value)


def test_configured_secret_is_never_asked_for() -> None:
    world = World(REPLICATE_WEBHOOK_SECRETS=NEW)
    world.now += timedelta(hours=1)
    with pytest.raises(Problem):
        world.verify(OLD)
    assert world.asked == 0


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("starting", PredictionOutcome.RUNNING),
        ("processing", PredictionOutcome.RUNNING),
        ("succeeded", PredictionOutcome.SUCCEEDED),
        ("failed", PredictionOutcome.FAILED),
        ("canceled", PredictionOutcome.FAILED),
        ("aborted", PredictionOutcome.FAILED),
        ("never-heard-of", PredictionOutcome.RUNNING),
    ],
)
def test_every_state_comes_down_to_an_outcome(status: str, outcome: PredictionOutcome) -> None:
    assert World().parse(status=status).outcome is outcome


def test_odd_fields_are_passed_over() -> None:
    prediction = World().parse(model=5, version="x" * 500, completed_at="yesterday", error={"a": 1}, metrics=None)
    assert (prediction.model, prediction.completed_at, prediction.error) == (None, None, None)
    assert len(prediction.version or "") == 128


@pytest.mark.parametrize("identity", [None, 5, "", "../x", "a b", "x" * 129, "-x"])
def test_id_that_fits_no_path_is_refused(identity: object) -> None:
    with pytest.raises(Problem):
        World().parse(id=identity)


@pytest.mark.parametrize(
    "host", ["replicate.delivery", "api.replicate.com.evil.test", "evil.test", "api.replicate.com:81"]
)
def test_token_is_for_no_other_host(host: str) -> None:
    assert World().replicate.auth_for(host) == {}
    assert World().replicate.auth_for("api.replicate.com") == {"Authorization": "Bearer r8_x"}


def test_callback_without_signature_headers_asks_for_no_secret() -> None:
    world = World()
    for headers in ({}, {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,x"}):
        with pytest.raises(Problem) as refusal:
            asyncio.run(world.replicate.verify(headers, BODY))
        assert refusal.value.status == 401
    assert world.asked == 0


def forged(world: World) -> dict[str, str]:
    """Return headers of the right form that nobody signed."""
    sent = str(int(world.now.timestamp()))
    return {"webhook-id": "m", "webhook-timestamp": sent, "webhook-signature": "v1," + 43 * "A" + "="}


async def statuses(world: World, count: int) -> list[int]:
    """Return the statuses of that many forged callbacks at once."""
    checks = (world.replicate.verify(forged(world), BODY) for _ in range(count))
    results = await asyncio.gather(*checks, return_exceptions=True)
    return [int(each.status) for each in results if isinstance(each, Problem)]


def test_hundred_forged_callbacks_at_once_ask_for_the_secret_once() -> None:
    world = World()

    async def twice() -> None:
        assert await statuses(world, 100) == [401] * 100
        assert world.asked == 1
        world.now += timedelta(seconds=61)
        assert await statuses(world, 100) == [401] * 100
        assert world.asked == 2

    asyncio.run(twice())


def test_secret_is_not_asked_for_again_soon_after_a_failure() -> None:
    world = World()
    world.failing = True
    assert asyncio.run(statuses(world, 100)) == [503] * 100
    assert world.asked == 1
    world.now += timedelta(seconds=11)
    world.failing = False
    world.verify(OLD)
    assert world.asked == 2


def test_held_secret_verifies_while_the_generator_fails() -> None:
    world = World()
    world.verify(OLD)
    world.failing = True
    world.now += timedelta(hours=1)
    assert asyncio.run(statuses(world, 50)) == [503] * 50
    world.verify(OLD)
    assert world.asked == 2
