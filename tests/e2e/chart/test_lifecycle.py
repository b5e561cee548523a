"""A second release with a store of its own: upgraded during imports, rolled back, reinstalled."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from dev.cluster.control import second_store
from dev.cluster.kubectl import Kube
from tests.support.installation.helm import Installation, Values, image_values, install
from tests.support.replicate.manifest import StandIn, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from tests.support.installation.world import World

Object = dict[str, Any]
BUCKET = "media-second"
UNUSUAL = {
    # A uid without an entry in the images.
    "runAsUser": 70000,
    "importer": {
        "runAsUser": 70001,
        "proberRunAsUser": 70002,
        "podLabels": {"team": "media"},
        "extraEnv": [{"name": "TEAM", "value": "media"}],
        "extraVolumes": [{"name": "extra", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    },
}
BYTES_PER_SECOND = 60_000
"""The download takes about ten seconds, longer than the operator's restart by an upgrade."""


@pytest.fixture(scope="module")
def replicate(environment: dict[str, str], world: World) -> StandIn:
    image = environment["MEDIAIMPORT_DEV_IMAGE"]
    return deploy(Kube(environment), image=image, namespace=f"{world.namespace}-replicate")


@dataclass(frozen=True)
class Release:
    """The second release; the first one brings the resource definition."""

    installation: Installation
    environment: dict[str, str]
    replicate: StandIn

    def put(self, values: Values | None = None) -> None:
        chosen = {"crds": {"enabled": False}} | UNUSUAL | (values or {})
        install(self.installation, self.environment, replicate=self.replicate, values=chosen)


@pytest.fixture(scope="module")
def store(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with second_store(environment) as variables:
        yield variables | {"S3_BUCKET_NAME": BUCKET}


@pytest.fixture(scope="module")
def release(environment: dict[str, str], world: World, replicate: StandIn, store: dict[str, str]) -> Iterator[Release]:
    kube, namespace = Kube(environment), f"{world.namespace}-second"
    kube.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
    release = Release(Installation(kube, namespace, "second"), environment | store, replicate)
    make_bucket(client(store))
    release.put()
    yield release
    kube.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def second(world: World, release: Release, store: dict[str, str]) -> World:
    return replace(world, installation=release.installation, bucket=BUCKET, store=client(store))


def client(variables: dict[str, str]) -> S3Client:
    return boto3.client("s3", **StoreSettings.read(Environment(variables)).client_arguments(Config))


def make_bucket(store: S3Client) -> None:
    """Create the bucket as soon as the store answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with suppress(store.exceptions.BucketAlreadyOwnedByYou, store.exceptions.BucketAlreadyExists):
                store.create_bucket(Bucket=BUCKET)
        except EndpointConnectionError:
            assert time.monotonic() < deadline, "the second store does not answer"
            time.sleep(0.1)
        else:
            return


def slow_imports(world: World, count: int) -> list[str]:
    """Return the names of imports that are in progress."""
    url = world.file_url(bytes_per_second=BYTES_PER_SECOND)
    names = [world.create("slow", {"source": {"url": url}}) for _ in range(count)]
    for name in names:
        world.wait_until(lambda name=name: "progress" in world.get(name)["status"], "progress")  # type: ignore[misc]
    return names


def images(world: World, component: str) -> set[str]:
    """Return the images of a component's pods."""
    pods = json.loads(world.kubectl("get", "pods", "-l", f"app.kubernetes.io/component={component}", "-o", "json"))
    return {container["image"] for pod in pods["items"] for container in pod["spec"]["containers"]}


def test_upgrade_and_rollback_lose_and_double_no_import(second: World, release: Release) -> None:
    old = release.environment["MEDIAIMPORT_IMAGE"]
    # The development image contains the programs, too, under another digest.
    new = release.environment["MEDIAIMPORT_DEV_IMAGE"]
    names = slow_imports(second, 2)
    release.put({"image": image_values(new)})
    second.wait_until(lambda: images(second, "operator") == {new}, "the new operator")
    names += slow_imports(second, 1)
    assert images(second, "importer") == {old, new}
    second.installation.kube.helm("rollback", "second", "--namespace", second.namespace, "--wait")
    second.wait_until(lambda: images(second, "operator") == {old}, "the old operator")
    for name in names:
        imported = second.wait_for_phase(name, "Ready")
        assert [each["number"] for each in imported["status"]["attempts"]] == [1]
        assert second.read(imported["status"]["asset"]["key"]) == second.film
        assert len(second.jobs(name)) == 1


def test_uninstall_keeps_imports_and_a_new_release_adopts_them(second: World, release: Release) -> None:
    name = second.create("kept", {"source": {"url": second.file_url()}})
    kept = second.wait_for_phase(name, "Ready")
    second.installation.kube.helm("uninstall", "second", "--namespace", second.namespace, "--wait")
    assert second.get(name)["status"] == kept["status"]
    assert second.read(kept["status"]["asset"]["key"]) == second.film
    release.put()
    # The new release serves new imports and leaves the old one unchanged.
    second.wait_for_phase(second.create("after", {"source": {"url": second.file_url()}}), "Ready")
    assert second.get(name)["status"]["attempts"] == kept["status"]["attempts"]
    assert second.modified(kept["status"]["asset"]["key"]) <= second.modified(kept["status"]["thumbnail"]["key"])


def test_releases_on_two_stores_are_isolated(second: World, world: World) -> None:
    url = world.file_url()
    first, other = (
        world.create("same-source", {"source": {"url": url}}),
        second.create("same-source", {"source": {"url": url}}),
    )
    here, there = world.wait_for_phase(first, "Ready"), second.wait_for_phase(other, "Ready")
    assert (here["status"]["asset"]["bucket"], there["status"]["asset"]["bucket"]) == (world.bucket, BUCKET)
    assert world.objects(there["status"]["asset"]["key"]) == []
    assert second.objects(here["status"]["asset"]["key"]) == []
    assert instances(world) & instances(second) == set()
    pod = second.importer_pod(other)
    (importer,), (prober,) = pod["spec"]["containers"], pod["spec"]["initContainers"]
    assert pod["metadata"]["labels"]["team"] == "media"
    assert {"name": "TEAM", "value": "media"} in importer["env"]
    assert "extra" in {each["name"] for each in importer["volumeMounts"]}
    assert "extra" not in {each["name"] for each in prober["volumeMounts"]}
    assert [each["securityContext"]["runAsUser"] for each in (importer, prober)] == [70001, 70002]


def instances(world: World) -> set[str]:
    jobs = json.loads(world.kubectl("get", "jobs", "-l", "app.kubernetes.io/component=importer", "-o", "json"))["items"]
    found = {each["metadata"]["labels"]["mediaimport.dev/instance"] for each in jobs}
    assert found
    return found
