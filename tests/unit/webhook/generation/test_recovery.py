from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.generation.intake import Callbacks
from mediaimport_webhook.generation.owner import Owner, Owners
from mediaimport_webhook.generation.providers.replicate import Replicate
from mediaimport_webhook.generation.recovery import Swept, sweep
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.settings import Settings

if TYPE_CHECKING:
    from tests.unit.webhook.conftest import Make, Shim

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
API = "https://api.replicate.com"


class World:
    """A sweep over pages of predictions, into the shim's own cluster."""

    def __init__(self, shim: Shim, *pages: list[dict[str, Any]], base: str = API) -> None:
        self.shim = shim
        self.asked: list[str] = []
        self.pages = pages
        self.base = base

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        index = int(request.url.params.get("cursor", 0))
        after = f"{self.base}/v1/predictions?cursor={index + 1}" if index + 1 < len(self.pages) else None
        return httpx.Response(200, json={"results": self.pages[index], "next": after, "previous": None})

    async def _sweep(self) -> Swept:
        least = {"NAMESPACE": "n", "S3_BUCKET_NAME": "b", "REPLICATE_API_TOKEN": "r8_x"}
        cluster = self.shim.cluster
        callbacks = Callbacks(
            cluster=cluster,
            imports=Imports(cluster, Catalogue(), self.shim.sidecars),
            owners=Owners(cluster),
            default_user_id="default",
        )
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer)) as http:
            return await sweep(Replicate(Settings.read(Environment(least)), http), callbacks, NOW)

    def sweep(self) -> Swept:
        return self.shim.run(self._sweep())


def completed(minutes_ago: float) -> dict[str, str]:
    moment = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return {"created_at": moment, "completed_at": moment}


def test_prediction_whose_callback_never_came_is_saved_once(shim: Shim, prediction: Make) -> None:
    world = World(shim, [prediction(**completed(5))])
    assert (world.sweep(), world.sweep()) == (Swept(1, 1), Swept(1, 0))
    assert len(shim.cluster.imports) == 1
    shim.until(lambda: shim.sample("mediaimport_cache_swept_resources") == 1)


def test_webhook_and_sweep_make_one_import_of_one_owner(shim: Shim, prediction: Make) -> None:
    owner = Owner("alice", ("fun",))
    shim.run(Owners(shim.cluster).record(provider="replicate", prediction="pred1", owner=owner))
    World(shim, [prediction(**completed(5))]).sweep()
    answer = shim.webhook(prediction(**completed(5)))
    assert answer.json()["assets"][0]["outcome"] == "duplicate"
    assert [(each["userId"], each["tags"]) for each in shim.specs()] == [("alice", ["ai-generated", "fun"])]


def test_only_what_is_due_is_saved(shim: Shim, prediction: Make) -> None:
    page = [
        prediction(id="young", **completed(2)),
        prediction(id="dead", **completed(61)),
        prediction(id="failed", status="failed", **completed(5)),
        prediction(id="running", status="processing", created_at=NOW.isoformat(), completed_at=None),
        prediction(id="text", output=["Hel", "lo"], **completed(5)),
        prediction(id="removed", output=None, data_removed=True, **completed(5)),
        {"id": 5},
    ]
    assert World(shim, page).sweep() == Swept(6, 0)
    assert (shim.cluster.imports, shim.cluster.events) == ({}, [])


def test_pages_are_followed_until_they_reach_back_far_enough(shim: Shim, prediction: Make) -> None:
    pages = [[prediction(id=f"p{index}", **completed(5 + 200 * index))] for index in range(4)]
    world = World(shim, *pages)
    assert world.sweep() == Swept(3, 1)
    assert world.asked == [f"{API}/v1/predictions", *(f"{API}/v1/predictions?cursor={index}" for index in (1, 2))]


def test_next_page_elsewhere_is_not_followed(shim: Shim, prediction: Make) -> None:
    world = World(shim, [prediction(**completed(5))], [prediction(id="p2", **completed(6))], base="https://evil.test")
    assert world.sweep() == Swept(1, 1)
