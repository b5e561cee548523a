"""A second release beside the first, with a bucket of its own: upgraded at work, rolled back, put back."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dev.install import Installation, Values, install
from dev.kube import Kube
from dev.replicate.manifest import StandIn, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from world import World

Object = dict[str, Any]
BUCKET = "media-second"
BYTES_PER_SECOND = 60_000
"""The film takes some ten seconds: longer than an upgrade's restart of the operator."""


@pytest.fixture(scope="module")
def replicate(environment: dict[str, str], world: World) -> StandIn:
    image = environment["MEDIAIMPORT_DEV_IMAGE"]
    return deploy(Kube(environment), image=image, namespace=f"{world.namespace}-replicate")


@pytest.fixture(scope="module")
def second(environment: dict[str, str], world: World, replicate: StandIn) -> Iterator[World]:
    """The second release; the resource definition is the first one's."""
    namespace = f"{world.namespace}-second"
    kube = Kube(environment)
    kube.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
    with suppress(world.store.exceptions.BucketAlreadyOwnedByYou, world.store.exceptions.BucketAlreadyExists):
        world.store.create_bucket(Bucket=BUCKET)
    installation = Installation(kube, namespace, "second")
    put(installation, environment, replicate)
    yield replace(world, installation=installation, bucket=BUCKET)
    kube.kubectl("delete", "namespace", namespace, "--wait=false")


def put(
    installation: Installation, environment: dict[str, str], replicate: StandIn, values: Values | None = None
) -> None:
    chosen = {"crds": {"enabled": False}, "s3": {"bucket": BUCKET}} | (values or {})
    install(installation, environment, replicate=replicate, values=chosen)


def slow_imports(world: World, count: int) -> list[str]:
    """Return imports that are under way."""
    url = world.file_url(bytes_per_second=BYTES_PER_SECOND)
    names = [world.create("slow", {"source": {"url": url}}) for _ in range(count)]
    for name in names:
        world.wait_until(lambda name=name: "progress" in world.get(name)["status"], "progress")  # type: ignore[misc]
    return names


def by_digest(world: World) -> Values:
    """Return values that name the same image otherwise: the operator's pod is replaced, and new Jobs are other ones."""
    pods = json.loads(world.kubectl("get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "json"))["items"]
    repository, _, digest = pods[0]["status"]["containerStatuses"][0]["imageID"].partition("@")
    return {"image": {"repository": repository, "digest": digest, "tag": ""}}


def test_upgrade_and_rollback_lose_and_double_no_import(
    second: World, environment: dict[str, str], replicate: StandIn
) -> None:
    helm, namespace = second.installation.kube.helm, second.namespace
    names = slow_imports(second, 2)
    before = second.pod_of("operator")
    put(second.installation, environment, replicate, by_digest(second))
    second.wait_until(lambda: second.pod_of("operator") != before, "a new operator")
    names += slow_imports(second, 1)
    helm("rollback", "second", "--namespace", namespace, "--wait")
    for name in names:
        imported = second.wait_for_phase(name, "Ready")
        assert [each["number"] for each in imported["status"]["attempts"]] == [1]
        assert second.read(imported["status"]["asset"]["key"]) == second.film


def test_uninstalled_release_leaves_all_and_a_new_one_adopts_it(
    second: World, environment: dict[str, str], replicate: StandIn
) -> None:
    name = second.create("kept", {"source": {"url": second.file_url()}})
    kept = second.wait_for_phase(name, "Ready")
    second.installation.kube.helm("uninstall", "second", "--namespace", second.namespace, "--wait")
    assert second.get(name)["status"] == kept["status"]
    assert second.read(kept["status"]["asset"]["key"]) == second.film
    put(second.installation, environment, replicate)
    # An import that comes after is served, and the old one is what it was.
    second.wait_for_phase(second.create("after", {"source": {"url": second.file_url()}}), "Ready")
    assert second.get(name)["status"]["attempts"] == kept["status"]["attempts"]
    assert second.modified(kept["status"]["asset"]["key"]) <= second.modified(kept["status"]["thumbnail"]["key"])


def test_releases_see_nothing_of_each_other(second: World, world: World) -> None:
    url = world.file_url()
    first, other = world.create("beside", {"source": {"url": url}}), second.create("beside", {"source": {"url": url}})
    here, there = world.wait_for_phase(first, "Ready"), second.wait_for_phase(other, "Ready")
    assert (here["status"]["asset"]["bucket"], there["status"]["asset"]["bucket"]) == (world.bucket, BUCKET)
    assert world.objects(there["status"]["asset"]["key"]) == []
    assert second.objects(here["status"]["asset"]["key"]) == []
    assert instances(world) & instances(second) == set()


def instances(world: World) -> set[str]:
    jobs = json.loads(world.kubectl("get", "jobs", "-l", "app.kubernetes.io/component=importer", "-o", "json"))["items"]
    found = {each["metadata"]["labels"]["mediaimport.dev/instance"] for each in jobs}
    assert found
    return found
