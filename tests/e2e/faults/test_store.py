"""Store that is stopped, slow or resets connections: a second one, behind a proxy that disturbs it."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from dev.cluster import addresses, exports
from dev.cluster.cache import Cache
from dev.cluster.control import running
from dev.cluster.node.processes import Process
from dev.cluster.node.s3 import S3Keys, listening
from dev.cluster.programs import go
from dev.cluster.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.cluster.node.node import Node
    from tests.support.installation.burst import Burst
    from tests.support.installation.world import World

SERVER, PROXY, CONTROL = (f"{addresses.NODE}:{port}" for port in (7071, 7072, 7073))
DISTURBED_S = 60


@dataclass(frozen=True)
class Disturbed:
    """Process of the store, and the proxy to it."""

    node: Node
    server: Process
    control: httpx.Client

    def stop(self, seconds: float) -> None:
        self.node.stop(self.server)
        time.sleep(seconds)
        self.node.start(self.server)
        until(lambda: listening(SERVER), timeout_s=10, what="the store listens")

    def disturb(self, *toxics: dict[str, Any]) -> None:
        for toxic in toxics:
            self.control.post("/proxies/store/toxics", json=toxic).raise_for_status()

    def repair(self) -> None:
        self.control.post("/reset").raise_for_status()


@pytest.fixture(scope="module")
def cache(environment: dict[str, str]) -> Cache:
    cache = Cache.of(os.environ)
    if exports.is_foreign(environment, cache):
        pytest.skip("the node of a cluster that KUBECONFIG names must not run a second store")
    return cache


@pytest.fixture(scope="module")
def store(cache: Cache) -> Iterator[Disturbed]:
    """Store of these tests."""
    keys, folder = S3Keys.read(cache), cache.node / "disturbed-s3"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir()
    gateway = go.built("versitygw") / "versitygw"
    tls = ("--cert", f"{cache.pki}/s3.crt", "--key", f"{cache.pki}/s3.key")
    server = Process(
        "disturbed-s3",
        (str(gateway), "--port", SERVER, *tls, "posix", str(folder)),
        environ=(("ROOT_ACCESS_KEY", keys.access_key_id), ("ROOT_SECRET_KEY", keys.secret_access_key)),
    )
    host, port = CONTROL.split(":")
    proxy = Process("toxiproxy", (str(go.built("toxiproxy") / "toxiproxy"), "-host", host, "-port", port))
    with running(server) as node, running(proxy), httpx.Client(base_url=f"http://{CONTROL}") as control:
        until(lambda: listening(SERVER) and listening(CONTROL), timeout_s=10, what="store and proxy listen")
        control.post("/proxies", json={"name": "store", "listen": PROXY, "upstream": SERVER}).raise_for_status()
        yield Disturbed(node, server, control)
    shutil.rmtree(folder)


@pytest.fixture
def remote(burst: Burst, world: World, environment: dict[str, str], store: Disturbed) -> Iterator[Burst]:
    """Burst whose importers reach that store through the proxy."""
    settings = StoreSettings.read(Environment(environment | {"S3_ENDPOINT_URL": f"https://{SERVER}"}))
    client = boto3.client("s3", **settings.client_arguments(Config))
    if world.bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=world.bucket)
    burst.world = replace(world, store=client)
    name = f"{world.installation.release}-importer"
    with world.store_setting("configmap", name, "S3_ENDPOINT_URL", f"https://{PROXY}"):
        yield burst
        store.repair()


def test_store_is_stopped_for_a_minute(remote: Burst, store: Disturbed) -> None:
    remote.fill(20, size_bytes=2_000_000, bytes_per_second=500_000)
    remote.taken_up()
    remote.observe_for(5)
    store.stop(DISTURBED_S)
    remote.all_ready(timeout_s=400)


def test_store_is_slow(remote: Burst, store: Disturbed) -> None:
    store.disturb(
        {"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 200}},
        {"type": "latency", "stream": "downstream", "attributes": {"latency": 500, "jitter": 300}},
    )
    remote.fill(20, size_bytes=2_000_000)
    remote.taken_up()
    remote.observe_for(DISTURBED_S)
    store.repair()
    remote.all_ready(timeout_s=400)


def test_store_resets_every_second_connection(remote: Burst, store: Disturbed) -> None:
    store.disturb({"type": "reset_peer", "stream": "upstream", "toxicity": 0.5, "attributes": {"timeout": 200}})
    remote.fill(20, size_bytes=2_000_000, bytes_per_second=500_000)
    remote.taken_up()
    remote.observe_for(DISTURBED_S)
    store.repair()
    remote.all_ready(timeout_s=400)
