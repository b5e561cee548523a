from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_webhook.generation.idempotency import IdempotencyKeys, Started, StartRequest
from mediaimport_webhook.generation.owner import Owner, OwnerToken, OwnerTokens
from mediaimport_webhook.generation.providers import Prediction, PredictionOutcome, PredictionPage
from mediaimport_webhook.generation.records import Records
from mediaimport_webhook.http import problems

from tests.support.webhook import BOB, OWNER_KEY
from tests.support.webhook_cluster import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.support.webhook import Make, RunningWebhook, Start

GENERATE = "/api/v1/replicate/wan-video-t2v"
CREATE = "/v1/models/wan-video/wan-2.5-t2v/predictions"
BODY = {"prompt": "a rabbit", "size": "720p", "duration": "5s"}
KEY = {"Idempotency-Key": "k"}
TOKENS = OwnerTokens((OWNER_KEY,))


# --- the route ---------------------------------------------------------------------------------------------------


def test_same_key_is_the_same_prediction(webhook: RunningWebhook) -> None:
    answers = [webhook.call("POST", GENERATE, json=BODY, headers=KEY) for _ in range(3)]
    assert [(each.status_code, each.json()) for each in answers] == [
        (202, {"job_id": "pred1", "status": "starting"})
    ] * 3
    assert len(webhook.replicate.predictions) == 1


def test_same_key_is_the_same_prediction_after_a_restart(start: Start) -> None:
    first, second = start(), start()
    second.cluster.leases, second.replicate = first.cluster.leases, first.replicate
    jobs = [each.call("POST", GENERATE, json=BODY, headers=KEY).json()["job_id"] for each in (first, second)]
    assert (jobs, len(first.replicate.predictions)) == (["pred1", "pred1"], 1)


def test_requests_without_a_key_and_of_other_keys_and_users_are_predictions_of_their_own(
    webhook: RunningWebhook,
) -> None:
    for _ in range(2):
        webhook.call("POST", GENERATE, json=BODY)
    webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    webhook.call("POST", GENERATE, json=BODY, headers={"Idempotency-Key": "another"})
    webhook.call("POST", GENERATE, json=BODY, headers=KEY, token=BOB)
    assert len(webhook.replicate.predictions) == 5


@pytest.mark.parametrize("change", [{"prompt": "a hare"}, {"tags": ["fun"]}, {"seed": 1}])
def test_key_of_another_request_is_409(webhook: RunningWebhook, change: dict[str, Any]) -> None:
    webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    answer = webhook.call("POST", GENERATE, json=BODY | change, headers=KEY)
    assert (answer.status_code, len(webhook.replicate.predictions)) == (409, 1)
    assert answer.json()["type"].endswith("/idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_bad_key_is_400_and_costs_nothing(webhook: RunningWebhook, key: str) -> None:
    answer = webhook.call("POST", GENERATE, json=BODY, headers={"Idempotency-Key": key})
    assert (answer.status_code, webhook.replicate.requests) == (400, [])


@pytest.mark.parametrize("status", [402, 422, 429])
def test_refused_request_gives_its_key_back(webhook: RunningWebhook, status: int) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(status, json={"detail": "no"})
    webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    del webhook.replicate.answers[CREATE]
    assert webhook.call("POST", GENERATE, json=BODY, headers=KEY).status_code == 202


@pytest.mark.parametrize("answer", [httpx.Response(502), httpx.Response(200, text="<html>")])
def test_request_whose_answer_is_lost_is_found_in_the_generators_list(
    webhook: RunningWebhook, prediction: Make, answer: httpx.Response
) -> None:
    webhook.replicate.answers[CREATE] = answer
    assert webhook.call("POST", GENERATE, json=BODY, headers=KEY).status_code >= 500
    callback_url = json.loads(webhook.replicate.requests[-1].content)["webhook"]
    del webhook.replicate.answers[CREATE]
    early = webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    assert (early.status_code, int(early.headers["retry-after"]) > 30) == (409, True)
    webhook.replicate.predictions["lost"] = prediction(id="lost", status="processing", webhook=callback_url)
    late = webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    assert late.json() == {"job_id": "lost", "status": "processing"}
    assert webhook.replicate.count(CREATE) == 1


def test_request_whose_answer_is_lost_is_known_by_its_callback(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(502)
    assert webhook.call("POST", GENERATE, json=BODY, headers=KEY).status_code >= 500
    callback_url = httpx.URL(json.loads(webhook.replicate.requests[-1].content)["webhook"])
    path = callback_url.raw_path.decode()
    assert webhook.callback(prediction(id="lost", webhook=str(callback_url)), path=path).status_code == 200
    webhook.replicate.answers["/v1/predictions"] = httpx.Response(500)
    late = webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    assert (late.status_code, late.json()) == (202, {"job_id": "lost", "status": "succeeded"})
    assert webhook.replicate.count("/v1/predictions") == 0


def test_callback_leaves_the_record_of_a_known_prediction_as_it_is(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    webhook.callback(prediction(id="other"), path=webhook.replicate.callback_path())
    assert webhook.call("POST", GENERATE, json=BODY, headers=KEY).json()["job_id"] == "pred1"


def test_callback_without_a_key_looks_for_no_record(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.call("POST", GENERATE, json=BODY)
    webhook.callback(prediction(), path=webhook.replicate.callback_path())
    assert "get_lease" not in webhook.cluster.calls


def test_callback_is_taken_though_its_keys_record_cannot_be_written(webhook: RunningWebhook, prediction: Make) -> None:
    webhook.replicate.answers[CREATE] = httpx.Response(502)
    webhook.call("POST", GENERATE, json=BODY, headers=KEY)
    path = httpx.URL(json.loads(webhook.replicate.requests[-1].content)["webhook"]).raw_path.decode()
    webhook.cluster.patches_fail = True
    assert webhook.callback(prediction(), path=path).status_code == 200
    assert len(webhook.cluster.imports) == 1


def test_without_an_api_server_a_keyed_request_costs_nothing(webhook: RunningWebhook) -> None:
    webhook.cluster.down = True
    assert webhook.call("POST", GENERATE, json=BODY, headers=KEY).status_code == 503
    assert webhook.replicate.requests == []


# --- replicas and restarts ---------------------------------------------------------------------------------------


class Generator:
    """Generator's list, and a start that takes as long as the test lets it."""

    name = "replicate"

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []
        self.started = 0
        self.may_answer = asyncio.Event()
        self.failure: problems.Problem | None = None

    async def start(self) -> Prediction:
        self.started += 1
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return self.accepted(f"p{self.started}")

    def accepted(self, id_: str, *, nonce: str = "n") -> Prediction:
        url = TOKENS.callback_url("https://media.test/", OwnerToken(Owner("alice"), nonce))
        self.predictions.insert(0, Prediction(self.name, id_, "starting", PredictionOutcome.RUNNING, callback_url=url))
        return self.predictions[0]

    async def list_predictions(self, cursor: str = "") -> PredictionPage:
        index = int(cursor or 0)
        after = str(index + 1) if index + 1 < len(self.predictions) else None
        return PredictionPage(tuple(self.predictions[index : index + 1]), after)


class World:
    """Two replicas on one cluster and one generator."""

    def __init__(self) -> None:
        self.cluster, self.generator = FakeCluster(), Generator()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.replicas = [self.replica(), self.replica()]

    def replica(self) -> IdempotencyKeys:
        records = Records(self.cluster, clock=lambda: self.now)
        lister: Any = self.generator
        return IdempotencyKeys(records, lister, TOKENS, clock=lambda: self.now, max_wait_s=0.1, poll_s=0.001)

    async def start(self, replica: int = 0, *, nonce: str = "n") -> Started:
        return await self.replicas[replica].start(StartRequest(nonce, "f", self.generator.start))


def run(steps: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await steps(World())

    asyncio.run(main())


def test_two_replicas_at_once_start_one_prediction() -> None:
    async def steps(world: World) -> None:
        both = asyncio.gather(*(world.start(each % 2) for each in range(10)))
        await asyncio.sleep(0.01)
        world.generator.may_answer.set()
        assert set(await both) == {Started("p1", "starting")}
        assert world.generator.started == 1

    run(steps)


def test_request_that_is_still_being_started_is_409_after_a_while() -> None:
    async def steps(world: World) -> None:
        first = asyncio.create_task(world.start())
        await asyncio.sleep(0.01)
        with pytest.raises(problems.Problem, match="being started"):
            await world.start(1)
        world.generator.may_answer.set()
        assert (await first, await world.start(1)) == (Started("p1", "starting"),) * 2

    run(steps)


async def die_while_starting(world: World) -> None:
    """Claim the key, ask the generator, and vanish as a killed process does."""
    dying = asyncio.create_task(world.start())
    await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.wait([dying])
    world.generator.may_answer.set()


def test_prediction_of_a_replica_that_died_is_found_and_remembered() -> None:
    async def steps(world: World) -> None:
        await die_while_starting(world)
        for each in range(3):
            world.generator.accepted(f"other{each}", nonce="m")
        world.generator.accepted("lost")
        for each in range(3):
            world.generator.accepted(f"newer{each}", nonce="m")
        world.now += timedelta(seconds=61)
        assert await world.start(1) == Started("lost", "starting")
        world.generator.predictions.clear()
        assert await world.start(1) == Started("lost", "starting")
        assert world.generator.started == 1

    run(steps)


def test_key_of_a_replica_that_died_before_it_asked_is_taken_over_once() -> None:
    async def steps(world: World) -> None:
        await die_while_starting(world)
        with pytest.raises(problems.Problem, match="being started"):
            await world.start(1)
        world.now += timedelta(seconds=61)
        assert set(await asyncio.gather(*(world.start(each % 2) for each in range(6)))) == {Started("p2", "starting")}
        assert world.generator.started == 2

    run(steps)


def test_prediction_with_a_forged_nonce_is_not_taken_for_ours() -> None:
    async def steps(world: World) -> None:
        await die_while_starting(world)
        forged = OwnerTokens(("a-key-of-nobody-0123456789-0123456789",)).callback_url(
            "https://media.test/", OwnerToken(Owner("alice"), "n")
        )
        world.generator.predictions.append(
            Prediction("replicate", "forged", "starting", PredictionOutcome.RUNNING, callback_url=forged)
        )
        world.now += timedelta(seconds=61)
        assert (await world.start(1)).id == "p2"

    run(steps)


def test_prediction_that_cannot_be_noted_is_answered_and_found_later() -> None:
    async def steps(world: World) -> None:
        world.generator.may_answer.set()
        world.cluster.patches_fail = True
        assert (await world.start()).id == "p1"
        world.cluster.patches_fail = False
        world.now += timedelta(seconds=61)
        assert (await world.start(1)).id == "p1"
        assert world.generator.started == 1

    run(steps)


def test_key_is_not_started_again_while_the_list_does_not_reach_back_to_its_request() -> None:
    async def steps(world: World) -> None:
        await die_while_starting(world)
        world.generator.accepted("lost")
        for each in range(600):
            world.generator.accepted(f"newer{each}", nonce="m")
        world.now += timedelta(seconds=120)
        with pytest.raises(problems.Problem, match="too many predictions since") as refused:
            await world.start(1)
        assert (refused.value.status, world.generator.started) == (503, 1)

    run(steps)


def test_same_body_is_the_same_request_after_a_change_of_the_models_file(
    start: Start, variables: dict[str, str]
) -> None:
    first = start()
    job = first.call("POST", GENERATE, json=BODY, headers=KEY).json()["job_id"]
    models = Path(variables["REPLICATE_MODELS_FILE"])
    models.write_text(models.read_text().replace('"enable_prompt_expansion": true', '"enable_prompt_expansion": false'))
    answer = start(replica_of=first).call("POST", GENERATE, json=BODY, headers=KEY)
    assert (answer.status_code, answer.json()["job_id"]) == (202, job)
