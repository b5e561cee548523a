"""What keeps attempts from starting is named in each status, and they go on by themselves when it is gone."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from conftest import Burst
    from world import World

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
ROOM = "mediaimport.dev/e2e-room"


@contextmanager
def no_quota_for_jobs(world: World) -> Iterator[None]:
    with quota(world, "count/jobs.batch=0"):
        yield


@contextmanager
def no_quota_for_pods(world: World) -> Iterator[None]:
    with quota(world, "count/pods=0"):
        yield


@contextmanager
def no_service_account(world: World) -> Iterator[None]:
    with without(world, "serviceaccount", f"{world.installation.release}-importer"):
        yield


@contextmanager
def no_secret(world: World) -> Iterator[None]:
    with without(world, "secret", f"{world.installation.release}-store"):
        yield


@contextmanager
def no_room(world: World) -> Iterator[None]:
    with operator_variable(world, "IMPORTER_PLACEMENT", json.dumps({"nodeSelector": {ROOM: "yes"}})):
        yield
        world.kubectl("label", "nodes", "--all", f"{ROOM}=yes")
    world.kubectl("label", "nodes", "--all", f"{ROOM}-")


@contextmanager
def no_image(world: World) -> Iterator[None]:
    """Name a tag that the registry does not have yet."""
    image = variable(world, "IMPORTER_IMAGE")
    registry, _, name = image.partition("/")
    repository, _, tag = name.partition(":")
    late = world.namespace
    with operator_variable(world, "IMPORTER_IMAGE", f"{registry}/{repository}:{late}"):
        yield
        manifests = f"http://{registry}/v2/{repository}/manifests"
        manifest = httpx.get(f"{manifests}/{tag}", headers={"accept": MANIFESTS}).raise_for_status()
        kind = {"content-type": manifest.headers["content-type"]}
        httpx.put(f"{manifests}/{late}", content=manifest.content, headers=kind).raise_for_status()


@contextmanager
def quota(world: World, hard: str) -> Iterator[None]:
    """Allow no more of a kind."""
    world.kubectl("create", "quota", "none", f"--hard={hard}")
    try:
        yield
    finally:
        world.kubectl("delete", "quota", "none")


@contextmanager
def without(world: World, kind: str, name: str) -> Iterator[None]:
    """Take an object away, and bring it back."""
    saved = json.loads(world.kubectl("get", kind, name, "-o", "json"))
    saved["metadata"] = {key: saved["metadata"][key] for key in ("name", "labels")}
    world.kubectl("delete", kind, name)
    try:
        yield
    finally:
        world.kubectl("create", "-f", "-", given=json.dumps(saved))


@contextmanager
def operator_variable(world: World, name: str, value: str) -> Iterator[None]:
    """Start the operator with another setting; with its own again after the block, which Jobs that exist outlive."""
    before = variable(world, name)
    set_variable(world, name, value)
    try:
        yield
    finally:
        set_variable(world, name, before)


def variable(world: World, name: str) -> str:
    (container,) = json.loads(world.kubectl("get", deployment(world), "-o", "json"))["spec"]["template"]["spec"][
        "containers"
    ]
    return next((each["value"] for each in container["env"] if each["name"] == name), "")


def set_variable(world: World, name: str, value: str) -> None:
    world.kubectl("set", "env", deployment(world), f"{name}={value}" if value else f"{name}-")
    world.kubectl("rollout", "status", deployment(world), "--timeout=120s")


def deployment(world: World) -> str:
    return f"deployment/{world.installation.release}-operator"


def named(burst: Burst, reason: str, words: str) -> bool:
    """Tell whether every import says that reason, with those words."""
    ready = [each.get("status", {}).get("conditions", [{}])[0] for each in burst.resources()]
    return all(each.get("reason") == reason and words in each["message"] for each in ready)


@pytest.mark.parametrize(
    ("cause", "reason", "words"),
    [
        (no_quota_for_jobs, "JobRefused", "exceeded quota"),
        (no_quota_for_pods, "PodRefused", "exceeded quota"),
        (no_service_account, "PodRefused", "serviceaccount"),
        (no_secret, "ContainerConfigInvalid", "not found"),
        (no_room, "Unschedulable", "didn't match Pod's node affinity/selector"),
        (no_image, "ImagePullFailed", "not found"),
    ],
)
def test_hindered_by(
    burst: Burst, world: World, cause: Callable[[World], AbstractContextManager[None]], reason: str, words: str
) -> None:
    with cause(world):
        burst.fill(3)
        world.wait_until(lambda: named(burst, reason, words), f"{reason} in each status", timeout_s=120)
    resources = burst.all_ready(timeout_s=300)
    assert [len(each["status"]["attempts"]) for each in resources] == [1] * 3
