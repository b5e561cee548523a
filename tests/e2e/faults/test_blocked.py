"""Obstacles to an attempt's start: each status has the reason, and imports continue when the obstacle is gone."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from mediaimport_api import names

from tests.support.installation.world import reasons_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.installation.burst import Burst
    from tests.support.installation.world import World

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
ROOM = "mediaimport.dev/e2e-room"
OTHER_JOB = {
    "suspend": True,
    "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "other", "image": "other"}]}},
}


def no_quota_for_jobs(world: World) -> AbstractContextManager[None]:
    return world.quota("count/jobs.batch=0")


def no_quota_for_pods(world: World) -> AbstractContextManager[None]:
    return world.quota("count/pods=0")


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
    with world.operator_setting("IMPORTER_PLACEMENT", json.dumps({"nodeSelector": {ROOM: "yes"}})):
        yield
        world.kubectl("label", "nodes", "--all", f"{ROOM}=yes")
    world.kubectl("label", "nodes", "--all", f"{ROOM}-")


@contextmanager
def no_image(world: World) -> Iterator[None]:
    """Use a tag that the registry gets only after the block."""
    image = world.operator_variable("IMPORTER_IMAGE")
    registry, _, name = image.partition("/")
    repository, _, tag = name.partition(":")
    late = secrets.token_hex(8)  # the registry keeps the tags of earlier runs
    with world.operator_setting("IMPORTER_IMAGE", f"{registry}/{repository}:{late}"):
        yield
        manifests = f"http://{registry}/v2/{repository}/manifests"
        manifest = httpx.get(f"{manifests}/{tag}", headers={"accept": MANIFESTS}).raise_for_status()
        kind = {"content-type": manifest.headers["content-type"]}
        httpx.put(f"{manifests}/{late}", content=manifest.content, headers=kind).raise_for_status()


@contextmanager
def without(world: World, kind: str, name: str) -> Iterator[None]:
    """Delete an object, and create it again after the block."""
    saved = json.loads(world.kubectl("get", kind, name, "-o", "json"))
    saved["metadata"] = {key: saved["metadata"][key] for key in ("name", "labels")}
    world.kubectl("delete", kind, name)
    try:
        yield
    finally:
        world.kubectl("create", "-f", "-", given=json.dumps(saved))


def all_report(burst: Burst, reason: str, text: str) -> bool:
    """Tell whether the Ready condition of every import has that reason and text."""
    ready = [each.get("status", {}).get("conditions", [{}])[0] for each in burst.resources()]
    return all(each.get("reason") == reason and text in each["message"] for each in ready)


@pytest.mark.parametrize(
    ("cause", "reason", "text"),
    [
        (no_quota_for_jobs, "JobRefused", "exceeded quota"),
        (no_quota_for_pods, "PodRefused", "exceeded quota"),
        (no_service_account, "PodRefused", "serviceaccount"),
        (no_secret, "ContainerConfigInvalid", "not found"),
        (no_room, "Unschedulable", "didn't match Pod's node affinity/selector"),
        (no_image, "ImagePullFailed", "not found"),
    ],
)
def test_imports_continue_after(
    burst: Burst, world: World, cause: Callable[[World], AbstractContextManager[None]], reason: str, text: str
) -> None:
    with cause(world):
        burst.fill(3)
        world.wait_until(lambda: all_report(burst, reason, text), f"{reason} in each status", timeout_s=120)
    resources = burst.all_ready(timeout_s=300)
    assert [reasons_of(each) for each in resources] == [["Imported"]] * 3


def test_name_of_the_job_is_taken(burst: Burst, world: World) -> None:
    burst.fill(1, spec={"suspend": True})
    (resource,) = burst.resources()
    meta = resource["metadata"]
    job_name = names.job_name(name=meta["name"], uid=meta["uid"], run="", attempt=1)
    other = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job_name}, "spec": OTHER_JOB}
    world.kubectl("create", "-f", "-", given=json.dumps(other))
    world.patch(meta["name"], {"spec": {"suspend": False}})
    world.wait_until(lambda: all_report(burst, "JobNameTaken", job_name), "the cause in the status")
    world.kubectl("delete", "job", job_name)
    burst.all_ready(timeout_s=120)


def memory_limit(memory: str) -> str:
    return json.dumps({"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": memory}})


def test_attempt_out_of_memory_gets_more_the_next_time(burst: Burst, world: World) -> None:
    with world.operator_setting("IMPORTER_RESOURCES", memory_limit("48Mi")):
        burst.fill(1)
        (resource,) = burst.all_ready(timeout_s=120)
    assert reasons_of(resource) == ["OutOfMemory", "Imported"]


@pytest.mark.parametrize(
    ("memory", "warnings"),
    [("80Mi", None), ("48Mi", ["DescriptionMissing"])],
    ids=["enough the second time", "never enough"],
)
def test_prober_out_of_memory_gets_more_the_next_time_and_then_no_description(
    burst: Burst, world: World, memory: str, warnings: list[str] | None
) -> None:
    """ffprobe's libraries need 50 MiB, which is half of the limit here."""
    with world.operator_setting("PROBER_RESOURCES", memory_limit(memory)):
        burst.fill(1)
        world.wait_until(
            lambda: burst.resources()[0].get("status", {}).get("phase") in {"Ready", "Failed"}, "the end", timeout_s=180
        )
    (resource,) = burst.resources()
    assert reasons_of(resource) == ["OutOfMemory", "Imported"]
    status = resource["status"]
    assert status["media"].get("warnings") == warnings
    (ready,) = [each for each in status["conditions"] if each["type"] == "Ready"]
    assert ("prober.resources.limits.memory" in ready["message"]) is (warnings is not None)
