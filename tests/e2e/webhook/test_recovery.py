"""Recovery of a prediction whose callback was lost: it is one asset, however it arrives."""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import secrets
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.kubernetes.client import connect
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.cluster import KubernetesCluster
from mediaimport_webhook.generation.intake import Intake
from mediaimport_webhook.generation.owner import Owner, OwnerToken, OwnerTokens
from mediaimport_webhook.generation.providers.replicate import Replicate, http_client
from mediaimport_webhook.generation.records import Records
from mediaimport_webhook.generation.recovery import Recovered, Recovery
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.settings import Settings
from mediaimport_webhook.store.incoming import Incoming
from mediaimport_webhook.store.sidecars import Sidecars, open_fetch

from dev.cluster.kubectl import KubeError
from tests.support.replicate.callbacks import finished_prediction, signed
from tests.support.replicate.settings import API_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from mediaimport_webhook.generation.providers import PredictionPage

    from tests.support.installation.world import World

TOKENS = OwnerTokens(("recovery-test-0123456789-0123456789",))
"""A key that the installation does not have: only the recovery of this test knows the predictions."""
LATER = timedelta(minutes=4)
"""Delay after which a callback counts as lost; files live for an hour."""


class OnlyOne(Replicate):
    """Replicate that lists one prediction, not those of other tests."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, prediction_id: str) -> None:
        super().__init__(settings, http)
        self.prediction_id = prediction_id

    async def list_predictions(self, cursor: str = "") -> PredictionPage:
        page = await super().list_predictions(cursor)
        return replace(page, predictions=tuple(each for each in page.predictions if each.id == self.prediction_id))


async def recovered(settings: Settings, *, prediction_id: str) -> Recovered:
    """Recover predictions as the CronJob does, four minutes from now."""
    async with (
        connect("mediaimport-recovery", connections=4) as api,
        http_client() as http,
        open_fetch(settings.store) as fetch,
    ):
        cluster = KubernetesCluster(api, namespace=settings.namespace, pod_name="recovery", deployment_name=None)
        imports = Imports(cluster, Catalogue(), Sidecars(settings.store, fetch))
        records = Records(cluster)
        intake = Intake(
            cluster=cluster,
            imports=imports,
            incoming=Incoming(settings.store),
            tokens=TOKENS,
            records=records,
            default_user_id="default",
        )
        recovery = Recovery(OnlyOne(settings, http, prediction_id), intake, cluster, TOKENS)
        return await recovery.run(datetime.now(UTC) + LATER)


def run_recovery(settings: Settings, prediction_id: str) -> Recovered:
    return asyncio.run(recovered(settings, prediction_id=prediction_id))


@pytest.fixture
def process() -> Iterator[ProcessPoolExecutor]:
    """A process of its own, as the CronJob is one: connections that a recovery cut off end with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def lost_prediction(world: World, webhook_url: str, *, completed_seconds_ago: float = 0) -> str:
    """Return the id of a finished prediction whose callback never came."""
    scenario = {"seconds": 0, "webhook": False, "completed_seconds_ago": completed_seconds_ago}
    body = {"input": {"stand_in": scenario}, "webhook": webhook_url}
    answer = world.replicate.post("/v1/models/stand-in/video/predictions", json=body)
    id_ = str(answer.raise_for_status().json()["id"])
    path = f"/v1/predictions/{id_}"
    world.wait_until(lambda: world.replicate.get(path).json()["status"] == "succeeded", "the prediction's end")
    return id_


def test_prediction_without_its_callback_is_saved_and_stays_one_asset(
    world: World,
    webhook: httpx.Client,
    environment: dict[str, str],
    process: ProcessPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", environment["KUBECONFIG"])
    variables = {name: value for name, value in os.environ.items() | environment.items() if name.startswith("S3_")}
    place = {"NAMESPACE": world.namespace, "S3_ADDRESSING_STYLE": "path"}
    replicate = {"REPLICATE_API_TOKEN": API_TOKEN, "REPLICATE_BASE_URL": str(world.replicate.base_url).rstrip("/")}
    settings = Settings.read(Environment(variables | place | replicate))
    foreign = lost_prediction(world, "https://other.example.com/hook")
    assert process.submit(run_recovery, settings, foreign).result(timeout=60) == Recovered(checked=1, imported=0)
    id_ = lost_prediction(world, TOKENS.callback_url("https://media.example.com/", OwnerToken(Owner("default"))))

    assert process.submit(run_recovery, settings, id_).result(timeout=60) == Recovered(checked=1, imported=1)
    name = world.import_of(id_)
    asset_id = world.get(name)["spec"]["assetId"]
    assert world.get(name)["metadata"]["labels"]["mediaimport.dev/recovered"] == "true"
    assert process.submit(run_recovery, settings, id_).result(timeout=60) == Recovered(checked=1, imported=0)

    body = finished_prediction(str(world.get(name)["spec"]["source"]["url"]), prediction=id_)
    late = webhook.post("/api/v1/replicate/webhook", content=body, headers=signed(body))
    assert [(each["asset_id"], each["outcome"]) for each in late.json()["assets"]] == [(asset_id, "duplicate")]

    by_hand = world.get(name)
    manifest = {each: by_hand[each] for each in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}
    with pytest.raises(KubeError, match="AlreadyExists"):
        world.kubectl("create", "-f", "-", given=json.dumps(manifest))

    assert world.finished_asset(webhook, asset_id)["status"] == "ready"
    assert world.import_of(id_) == name
    assert len(world.objects(f"media/default/{asset_id}/")) == 3


def test_cronjob_saves_a_prediction_for_its_owner(world: World) -> None:
    release, name = world.installation.release, f"recovery-{secrets.token_hex(4)}"
    keys = world.kubectl("get", "secret", f"{release}-owner-keys", "-o", "jsonpath={.data.OWNER_TOKEN_KEYS}")
    tokens = OwnerTokens(tuple(base64.b64decode(keys).decode().split(",")))
    callback_url = tokens.callback_url("https://media.example.com/", OwnerToken(Owner("rita")))
    id_ = lost_prediction(world, callback_url, completed_seconds_ago=LATER.total_seconds())

    world.kubectl("create", "job", name, f"--from=cronjob/{release}-recovery")
    world.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=60s")
    saved = world.wait_for_phase(world.import_of(id_), "Ready")
    assert saved["spec"]["userId"] == "rita"
    world.kubectl("delete", "job", name)
