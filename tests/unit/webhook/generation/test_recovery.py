from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.generation.intake import Intake
from mediaimport_webhook.generation.owner import Owner, OwnerRecords
from mediaimport_webhook.generation.providers.replicate import Replicate
from mediaimport_webhook.generation.recovery import Recovered, recover
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.settings import Settings

if TYPE_CHECKING:
    from tests.support.webhook import Make, RunningWebhook

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
API = "https://api.replicate.com"


class World:
    """A recovery over pages of predictions, into the webhook's own cluster."""

    def __init__(self, webhook: RunningWebhook, *pages: list[dict[str, Any]], base: str = API) -> None:
        self.webhook = webhook
        self.asked: list[str] = []
        self.pages = pages
        self.base = base

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        index = int(request.url.params.get("cursor", 0))
        after = f"{self.base}/v1/predictions?cursor={index + 1}" if index + 1 < len(self.pages) else None
        return httpx.Response(200, json={"results": self.pages[index], "next": after, "previous": None})

    async def _recover(self) -> Recovered:
        least = {"NAMESPACE": "n", "S3_BUCKET_NAME": "b", "REPLICATE_API_TOKEN": "r8_x"}
        cluster = self.webhook.cluster
        intake = Intake(
            cluster=cluster,
            imports=Imports(cluster, Catalogue(), self.webhook.sidecars),
            owners=OwnerRecords(cluster),
            default_user_id="default",
        )
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer)) as http:
            return await recover(Replicate(Settings.read(Environment(least)), http), intake, NOW)

    def recover(self) -> Recovered:
        return self.webhook.run(self._recover())


def completed(minutes_ago: float) -> dict[str, str]:
    moment = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return {"created_at": moment, "completed_at": moment}


def test_prediction_whose_callback_never_came_is_recovered_once(webhook: RunningWebhook, prediction: Make) -> None:
    world = World(webhook, [prediction(**completed(5))])
    assert (world.recover(), world.recover()) == (Recovered(1, 1), Recovered(1, 0))
    assert len(webhook.cluster.imports) == 1
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_recovered_resources") == 1)


def test_callback_and_recovery_make_one_import_of_one_owner(webhook: RunningWebhook, prediction: Make) -> None:
    owner = Owner("alice", ("fun",))
    webhook.run(OwnerRecords(webhook.cluster).record(provider="replicate", prediction="pred1", owner=owner))
    World(webhook, [prediction(**completed(5))]).recover()
    answer = webhook.callback(prediction(**completed(5)))
    assert answer.json()["assets"][0]["outcome"] == "duplicate"
    assert [(each["userId"], each["tags"]) for each in webhook.specs()] == [("alice", ["ai-generated", "fun"])]


def test_only_due_predictions_are_recovered(webhook: RunningWebhook, prediction: Make) -> None:
    page = [
        prediction(id="young", **completed(2)),
        prediction(id="dead", **completed(61)),
        prediction(id="failed", status="failed", **completed(5)),
        prediction(id="running", status="processing", created_at=NOW.isoformat(), completed_at=None),
        prediction(id="text", output=["Hel", "lo"], **completed(5)),
        prediction(id="removed", output=None, data_removed=True, **completed(5)),
        {"id": 5},
    ]
    assert World(webhook, page).recover() == Recovered(6, 0)
    assert (webhook.cluster.imports, webhook.cluster.events) == ({}, [])


def test_pages_are_followed_until_they_reach_back_far_enough(webhook: RunningWebhook, prediction: Make) -> None:
    pages = [[prediction(id=f"p{index}", **completed(5 + 200 * index))] for index in range(4)]
    world = World(webhook, *pages)
    assert world.recover() == Recovered(3, 1)
    assert world.asked == [f"{API}/v1/predictions", *(f"{API}/v1/predictions?cursor={index}" for index in (1, 2))]


def test_next_page_elsewhere_is_not_followed(webhook: RunningWebhook, prediction: Make) -> None:
    world = World(
        webhook, [prediction(**completed(5))], [prediction(id="p2", **completed(6))], base="https://evil.test"
    )
    assert world.recover() == Recovered(1, 1)
