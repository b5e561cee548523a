"""Fixtures of all end-to-end tests: one installation in its own namespace, created again by every run."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest
from botocore.config import Config
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

import dev.cluster
from dev.cluster.kubectl import Kube
from tests.support.downloads import bigbuckbunny
from tests.support.installation.helm import Installation, install, merged
from tests.support.installation.issuer import Issuer
from tests.support.installation.world import World
from tests.support.loopback.reconnecting import Reconnecting
from tests.support.replicate.manifest import NAME, deploy
from tests.support.replicate.settings import API_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.helm import Values

NAMESPACE = os.environ.get("MEDIAIMPORT_E2E_NAMESPACE", "mediaimport-e2e")
"""Another namespace runs the tests in parallel to others on the same cluster."""


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """Variables that point programs at the cluster and the store."""
    return dev.cluster.environment()


@pytest.fixture(scope="session")
def issuer(environment: dict[str, str]) -> Issuer:
    """OpenID Connect issuer of the release, and fal.ai's key server."""
    return Issuer(Kube(environment), f"{NAMESPACE}-replicate")


@pytest.fixture(scope="session")
def values(issuer: Issuer) -> Values:
    """Values of the release besides those for store and stand-in."""
    values = {
        "operator": {"retryWaitSeconds": 1},
        "events": {"userEndpoints": {"enabled": True}},
        "webhook": {
            "rateLimitPerSecond": 0,
            "unauthenticatedRateLimitPerSecond": 0,
        },  # schemathesis sends requests as fast as it can
    }
    return merged(values, issuer.values)


@pytest.fixture(scope="session")
def world(environment: dict[str, str], values: Values, issuer: Issuer) -> Iterator[World]:
    """New release, ready."""
    kube = Kube(environment)
    kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    installation = Installation(kube, namespace=NAMESPACE, release="e2e")
    replicate = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=issuer.namespace)
    install(installation, environment, replicate=replicate, values=values)
    issuer.start(environment["MEDIAIMPORT_DEV_IMAGE"])
    kube.wait_for_rollout(NAME, namespace=replicate.namespace)
    store = StoreSettings.read(Environment(environment))
    with (
        kube.forward(f"service/{NAME}", 80, namespace=replicate.namespace) as url,
        httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {API_TOKEN}"}, transport=Reconnecting()
        ) as client,
    ):
        yield World(
            installation=installation,
            film=bigbuckbunny().read_bytes(),
            bucket=store.bucket,
            store=boto3.client("s3", **store.client_arguments(Config)),
            tls=ssl.create_default_context(cafile=environment.get("S3_CA_BUNDLE")),
            replicate=client,
        )


@pytest.fixture
def anonymous(world: World) -> Iterator[httpx.Client]:
    """Client of the webhook without a token."""
    kube, webhook = world.installation.kube, world.installation.webhook
    with kube.forward(webhook, 80, namespace=world.namespace) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def webhook(world: World, anonymous: httpx.Client) -> httpx.Client:
    """Client of the webhook with the chart's first token."""
    anonymous.headers["authorization"] = f"Bearer {world.installation.first_token()}"
    return anonymous


@pytest.fixture
def suspended(world: World) -> str:
    """Name of an import that never starts."""
    spec = {"source": {"url": "https://example.com/video.mp4"}, "metadata": {"a": {"b": 1}}, "suspend": True}
    return world.create("suspended", spec)
