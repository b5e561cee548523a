from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from dev.cluster.kubectl import Kube
from tests.support.installation.helm import Installation, image_values, merged, other_owner, values_of
from tests.support.replicate.manifest import StandIn, manifests

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "MEDIAIMPORT_IMAGE": "10.99.0.2:5000/mediaimport:abc",
    "MEDIAIMPORT_FFMPEG_IMAGE": "mediaimport-ffmpeg",
    "S3_BUCKET_NAME": "media",
    "S3_REGION": "us-east-1",
    "S3_ACCESS_KEY_ID": "key",
    "S3_SECRET_ACCESS_KEY": "secret",
}
REPLICATE = StandIn("replicate", "10.96.1.2")


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "digest"),
    [
        ("10.99.0.2:5000/mediaimport:abc", "10.99.0.2:5000/mediaimport", "abc", ""),
        ("10.99.0.2:5000/mediaimport", "10.99.0.2:5000/mediaimport", "", ""),
        ("mediaimport", "mediaimport", "", ""),
        ("team/mediaimport:1.2", "team/mediaimport", "1.2", ""),
        ("mediaimport:1.2@sha256:aa", "mediaimport", "1.2", "sha256:aa"),
    ],
)
def test_image_reference_is_taken_apart(reference: str, repository: str, tag: str, digest: str) -> None:
    assert image_values(reference) == {"repository": repository, "tag": tag, "digest": digest}


def test_values_over_others_win_and_leave_the_rest() -> None:
    values = {"s3": {"bucket": "media", "region": "here"}, "source": {"allowedNetworks": ["10.0.0.0/8"]}}
    over = {"s3": {"bucket": "other"}, "source": {"allowedNetworks": []}, "crds": {"enabled": False}}
    assert merged(values, over) == {
        "s3": {"bucket": "other", "region": "here"},
        "source": {"allowedNetworks": []},
        "crds": {"enabled": False},
    }


def test_only_the_stand_in_is_a_source_that_is_not_public() -> None:
    values = values_of(ENVIRONMENT, Installation(Kube({})), REPLICATE)
    assert values["source"] == {"allowedNetworks": ["10.96.1.2/32"]}


def test_store_of_a_private_authority_gets_its_certificate(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("PEM")
    local = ENVIRONMENT | {"S3_ENDPOINT_URL": "https://10.99.0.2:7070", "S3_CA_BUNDLE": str(bundle)}
    store = values_of(local, Installation(Kube({})), REPLICATE)["s3"]
    assert (store["endpointUrl"], store["addressingStyle"], store["caBundle"]) == (
        "https://10.99.0.2:7070",
        "path",
        "PEM",
    )


def test_store_of_a_cloud_needs_neither_endpoint_nor_certificate() -> None:
    store = values_of(ENVIRONMENT, Installation(Kube({})), REPLICATE)["s3"]
    assert (store["endpointUrl"], store["addressingStyle"], store["caBundle"]) == ("", "auto", "")


def test_stand_in_tells_the_urls_of_its_own_service() -> None:
    deployment = manifests(image="dev", namespace="elsewhere", variables={"PREDICT_SECONDS": "0"})[2]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "PUBLIC_URL", "value": "http://replicate.elsewhere.svc"},
        {"name": "PREDICT_SECONDS", "value": "0"},
    ]


@dataclass(frozen=True)
class Cluster(Kube):
    """A cluster with one object."""

    found: str = ""

    def kubectl(self, *arguments: str, namespace: str = "", given: str | None = None) -> str:
        assert ("--ignore-not-found" in arguments, namespace, given) == (True, "", None)
        return self.found


def definition(**annotations: str) -> str:
    return json.dumps({"metadata": {"annotations": {f"meta.helm.sh/{key}": annotations[key] for key in annotations}}})


@pytest.mark.parametrize(
    ("found", "owner"),
    [
        ("", None),
        (definition(**{"release-name": "mediaimport", "release-namespace": "mediaimport"}), None),
        (definition(**{"release-name": "mediaimport", "release-namespace": "old"}), "the release mediaimport in old"),
        ('{"metadata": {}}', "no release"),
    ],
)
def test_definition_of_another_release_is_taken_over_with_a_word(found: str, owner: str | None) -> None:
    assert other_owner(Installation(Cluster({}, found))) == owner
