"""An installation with store values only, and the objects that outlive it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from dev.cluster.kubectl import Kube
from tests.support.installation.helm import Installation, install
from tests.support.replicate.manifest import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "mediaimport-bare"
NOTHING_BUT_THE_STORE = {
    # The other release brings the definition.
    "crds": {"enabled": False},
    "replicate": {"baseUrl": "https://api.replicate.com", "apiToken": "", "webhookSecrets": []},
    "webhook": {"publicUrl": ""},
    "source": {"allowedNetworks": []},
    "networkPolicy": {"importerExtraEgress": [], "webhookExtraEgress": []},
}


@pytest.fixture(scope="module")
def bare(environment: dict[str, str], world: object) -> Iterator[Installation]:
    """A second release next to `world`, with S3 values only."""
    assert world is not None, "world installs the resource definition"
    kube = Kube(environment)
    kube.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    installation = Installation(kube, NAMESPACE, "bare")
    put(installation, environment)
    yield installation
    kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def put(installation: Installation, environment: dict[str, str]) -> None:
    nowhere = StandIn("nowhere", "127.0.0.1")
    install(installation, environment, replicate=nowhere, values=NOTHING_BUT_THE_STORE)


@pytest.fixture
def webhook(bare: Installation) -> Iterator[httpx.Client]:
    token = {"authorization": f"Bearer {bare.first_token()}"}
    with (
        bare.kube.forward(bare.webhook, 80, namespace=NAMESPACE) as url,
        httpx.Client(base_url=url, headers=token) as client,
    ):
        yield client


def test_first_token_opens_the_api(webhook: httpx.Client) -> None:
    assert webhook.get("/api/v1/media/").json() == {"assets": [], "next": None}
    assert webhook.get("/api/v1/media/", headers={"authorization": "Bearer other"}).status_code == 401


@pytest.mark.parametrize(
    ("route", "settings"),
    [
        ("webhook", ["REPLICATE_WEBHOOK_SECRETS"]),
        ("wan-video-t2v", ["REPLICATE_API_TOKEN", "PUBLIC_BASE_URL"]),
    ],
)
def test_route_without_its_setting_answers_503_and_names_it(
    webhook: httpx.Client, route: str, settings: list[str]
) -> None:
    answer = webhook.post(f"/api/v1/replicate/{route}", json={"prompt": "a rabbit"})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert [name for name in settings if name not in answer.text] == []


def test_notes_name_the_values_that_are_not_set(bare: Installation) -> None:
    notes = bare.kube.helm("get", "notes", "bare", "--namespace", NAMESPACE)
    assert "replicate.webhookSecrets, replicate.apiToken, webhook.publicUrl" in notes


def test_token_and_imports_survive_upgrade_uninstall_and_install(
    bare: Installation, environment: dict[str, str]
) -> None:
    token = bare.first_token()
    pixel = {
        "apiVersion": "mediaimport.dev/v1alpha1",
        "kind": "MediaImport",
        "metadata": {"name": "suspended", "namespace": NAMESPACE},
        "spec": {"source": {"url": "https://example.com/video.mp4"}, "suspend": True},
    }
    bare.kube.apply([pixel])
    put(bare, environment)
    assert bare.first_token() == token
    bare.kube.helm("uninstall", "bare", "--namespace", NAMESPACE, "--wait")
    assert bare.kube.get("mediaimport", "suspended", namespace=NAMESPACE)["spec"]["suspend"] is True
    put(bare, environment)
    assert bare.first_token() == token
