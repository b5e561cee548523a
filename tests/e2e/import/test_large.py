"""5 GB through a pod of 256 MiB, ended in three ways. Takes minutes: `make e2e-slow`."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.installation.world import Resource, World

pytestmark = pytest.mark.slow

SIZE_BYTES = 5_000_000_000
IN_THE_MIDDLE_BYTES = 500_000_000


def terminate(world: World, pod: str) -> None:
    world.kubectl("delete", "pod", pod, "--wait=false")


def kill(world: World, pod: str) -> None:
    """Send SIGKILL to the importer alone: the deletion of a pod always begins with SIGTERM."""
    uid = world.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
    pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and is_importer(each, uid)]
    if not pids:
        pytest.skip("the cluster's processes are not on this machine")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def is_importer(process: Path, pod_uid: str) -> bool:
    try:
        command = process.joinpath("cmdline").read_bytes().split(b"\0")
        return pod_uid in process.joinpath("cgroup").read_text() and b"mediaimport_importer" in command
    except OSError:  # it has just ended
        return False


def evict(world: World, pod: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": world.namespace}}
    path = f"/api/v1/namespaces/{world.namespace}/pods/{pod}/eviction"
    world.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))


def downloading(world: World, name: str, *, attempt: int) -> None:
    """Wait until that attempt is in the middle of the download."""

    def arrived() -> bool:
        status = world.get(name)["status"]
        done = status.get("progress", {}).get("bytesDone", 0)
        return len(status.get("attempts", [])) == attempt and done > IN_THE_MIDDLE_BYTES

    world.wait_until(arrived, f"{name} in the middle of attempt {attempt}", timeout_s=300)


def has_ended(world: World, name: str, pod_uid: str) -> bool:
    return world.importer_pod(name).get("metadata", {}).get("uid") != pod_uid or world.importer_ended(name)


def left_in_store(world: World, prefix: str) -> tuple[list[str], list[str]]:
    """Return the keys of objects and of unfinished multipart uploads."""
    uploads = world.store.list_multipart_uploads(Bucket=world.bucket, Prefix=prefix).get("Uploads", [])
    return world.objects(prefix), [each["Key"] for each in uploads]


@pytest.mark.parametrize("size_bytes", [SIZE_BYTES], ids=["5 GB"])
def test_5_gb_ends_ready_though_its_pods_are_terminated_killed_and_evicted(world: World, size_bytes: int) -> None:
    spec: Resource = {
        "source": {"url": world.file_url(size_bytes=size_bytes, lifetime_seconds=3600)},
        "limits": {"maxSizeBytes": size_bytes + 1, "deadlineSeconds": 1500},
    }
    name = world.create("large", spec)
    prefix = f"media/default/{world.get(name)['metadata']['uid']}/"
    ends: list[Callable[[World, str], None]] = [terminate, kill, evict]

    for attempt, end in enumerate(ends, start=1):
        downloading(world, name, attempt=attempt)
        pod = world.importer_pod(name)
        limits = next(each["resources"]["limits"] for each in pod["spec"]["containers"] if each["name"] == "importer")
        assert limits["memory"] == "256Mi"
        end(world, pod["metadata"]["name"])
        uid = pod["metadata"]["uid"]
        world.wait_until(partial(has_ended, world, name, uid), "the end of the importer")
        assert left_in_store(world, prefix) == ([], []), end.__name__

    status = world.wait_for_phase(name, "Ready", timeout_s=900)["status"]
    attempts = sorted(status["attempts"], key=lambda each: each["number"])
    assert attempts[0]["reason"] == "Interrupted"
    assert [each["reason"] for each in attempts][2:] == ["Disrupted", "Imported"]
    assert attempts[1]["exitCode"] == 128 + signal.SIGKILL
    assert status["asset"]["sizeBytes"] == size_bytes
    assert {key.removeprefix(prefix) for key in world.objects(prefix)} == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert left_in_store(world, prefix)[1] == []
    for key in world.objects(prefix):
        world.store.delete_object(Bucket=world.bucket, Key=key)
