"""A prediction whose webhook never came, saved on the cluster; by whatever way it comes, it is one asset."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.generation.intake import Callbacks
from mediaimport_webhook.generation.owner import Owners
from mediaimport_webhook.generation.providers.replicate import Replicate, client
from mediaimport_webhook.generation.recovery import Swept, sweep
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.kube import KubernetesCluster, connect
from mediaimport_webhook.settings import Settings
from mediaimport_webhook.store.presign import Sidecars, fetching

from dev.cluster.kubectl import KubeError
from tests.e2e.webhook.test_routes import poll, signed
from tests.support.replicate.settings import API_TOKEN

if TYPE_CHECKING:
    import httpx
    from mediaimport_webhook.generation.providers import PredictionPage

    from tests.support.world import World

LATER = timedelta(minutes=4)
"""After which a callback is given up; files live for an hour."""


@dataclass
class OnlyOne(Replicate):
    """Lists that one prediction: other tests' have files that nobody wants to keep."""

    wanted: str = ""

    async def recent(self, place: str = "") -> PredictionPage:
        page = await super().recent(place)
        return replace(page, predictions=tuple(each for each in page.predictions if each.id == self.wanted))


async def swept(settings: Settings, *, wanted: str) -> Swept:
    """Sweep as the CronJob's program does, four minutes from now."""
    async with await connect() as api, client() as http, fetching(settings.store) as fetch:
        cluster = KubernetesCluster(api, namespace=settings.namespace, pod_name="sweep", deployment_name=None)
        imports = Imports(cluster, Catalogue(), Sidecars(settings.store, fetch))
        callbacks = Callbacks(cluster=cluster, imports=imports, owners=Owners(cluster), default_user_id="default")
        return await sweep(OnlyOne(settings, http, wanted=wanted), callbacks, datetime.now(UTC) + LATER)


def test_prediction_without_its_webhook_is_saved_and_stays_one_asset(
    world: World, shim: httpx.Client, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", environment["KUBECONFIG"])
    variables = {name: value for name, value in os.environ.items() | environment.items() if name.startswith("S3_")}
    place = {"NAMESPACE": world.namespace, "S3_ADDRESSING_STYLE": "path"}
    replicate = {"REPLICATE_API_TOKEN": API_TOKEN, "REPLICATE_BASE_URL": str(world.replicate.base_url).rstrip("/")}
    settings = Settings.read(Environment(variables | place | replicate))
    prediction = world.predict({"seconds": 0, "webhook": False}, webhook=True)
    id_ = prediction["id"]
    path = f"/v1/predictions/{id_}"
    world.wait_until(lambda: world.replicate.get(path).json()["status"] == "succeeded", "the prediction's end")

    assert asyncio.run(swept(settings, wanted=id_)) == Swept(looked_at=1, saved=1)
    name = world.import_of(id_)
    asset_id = world.get(name)["spec"]["assetId"]
    assert world.get(name)["metadata"]["labels"]["mediaimport.dev/swept"] == "true"
    assert asyncio.run(swept(settings, wanted=id_)) == Swept(looked_at=1, saved=0)

    body = world.replicate.get(path).text
    late = shim.post("/api/v1/replicate/webhook", content=body, headers=signed(body, at=datetime.now(UTC)))
    assert [(each["asset_id"], each["outcome"]) for each in late.json()["assets"]] == [(asset_id, "duplicate")]

    by_hand = world.get(name)
    manifest = {each: by_hand[each] for each in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    with pytest.raises(KubeError, match="AlreadyExists"):
        world.kubectl("create", "-f", "-", given=json.dumps(manifest))

    assert poll(world, shim, asset_id)["status"] == "ready"
    assert world.import_of(id_) == name
    assert len(world.objects(f"media/default/{asset_id}/")) == 3
