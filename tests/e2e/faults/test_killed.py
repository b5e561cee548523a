"""Whatever is killed in the middle of many imports, each ends Ready, with one importer at a time and one asset."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Burst
    from world import World


def test_the_operator_killed_at_ten_random_moments(burst: Burst, world: World) -> None:
    burst.fill(100)
    for _ in range(10):
        # Its successor waits up to 15 s for the Lease of one that was killed.
        burst.watch(random.uniform(1, 20))  # noqa: S311  no secret
        world.kill_pod(world.pod_of("operator"))
    resources = burst.all_ready(timeout_s=600)
    assert [len(each["status"]["attempts"]) for each in resources] == [1] * 100


def test_every_other_importers_pod_is_killed(burst: Burst, world: World) -> None:
    burst.fill(20, size_bytes=5_000_000, bytes_per_second=1_000_000)
    killed = set[str]()
    while len(killed) < 10:
        burst.watch(1)
        selector = "app.kubernetes.io/component=importer"
        pods = json.loads(world.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        running = [each["metadata"] for each in pods if each["status"]["phase"] == "Running"]
        fresh = [each for each in running if each["labels"]["mediaimport.dev/uid"] not in killed]
        for each in fresh[:2]:
            world.kill_pod(each["name"])
            killed.add(each["labels"]["mediaimport.dev/uid"])
    resources = burst.all_ready(timeout_s=300)
    again = [each for each in resources if len(each["status"]["attempts"]) > 1]
    assert {each["metadata"]["uid"] for each in again} <= killed


def test_all_jobs_deleted_by_hand(burst: Burst, world: World) -> None:
    burst.fill(10, size_bytes=5_000_000, bytes_per_second=1_000_000)
    burst.watch(4)
    world.kubectl("delete", "jobs", "-l", "app.kubernetes.io/component=importer", "--wait=false")
    burst.all_ready(timeout_s=300)


def test_a_source_that_fails_twice(burst: Burst) -> None:
    burst.fill(1, failures=2)
    (resource,) = burst.all_ready(timeout_s=120)
    ends = [each["reason"] for each in sorted(resource["status"]["attempts"], key=lambda each: each["number"])]
    assert ends == ["SourceUnavailable", "SourceUnavailable", "Imported"]


def test_an_exhausted_quota_shows_as_cause_and_heals(burst: Burst, world: World) -> None:
    world.kubectl("create", "quota", "none", "--hard=count/jobs.batch=0")
    try:
        burst.fill(3)
        world.wait_until(
            lambda: all("exceeded quota" in json.dumps(each.get("status", {})) for each in burst.resources()),
            "the cause in each status",
            timeout_s=120,
        )
    finally:
        world.kubectl("delete", "quota", "none")
    resources = burst.all_ready(timeout_s=180)
    assert [len(each["status"]["attempts"]) for each in resources] == [1] * 3
