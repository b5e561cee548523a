"""Processes killed in the middle of many imports: each import is Ready, with one importer at a time and one asset."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support.installation.world import reasons_of

if TYPE_CHECKING:
    from tests.support.installation.burst import Burst
    from tests.support.installation.world import World


@pytest.mark.parametrize("how", ["killed", "terminated"])
def test_operator_ends_at_ten_random_moments(burst: Burst, world: World, how: str) -> None:
    burst.fill(100, size_bytes=2_000_000, bytes_per_second=400_000)
    for moment in range(10):
        # Its successor waits up to 15 s for the Lease of one that was killed.
        burst.observe_for(random.uniform(1, 15))  # noqa: S311 - no secret
        assert burst.unfinished(), f"all were finished before moment {moment}"
        pod = world.pod_of("operator")
        if how == "killed":
            world.kill_pod(pod)
        else:
            world.kubectl("delete", "pod", pod, "--wait=false")
        world.wait_until(lambda: world.has_pod_of("operator"), "another operator")
    resources = burst.all_ready(timeout_s=900)
    assert [reasons_of(each) for each in resources] == [["Imported"]] * 100


def test_two_operators_run_by_mistake(burst: Burst, world: World) -> None:
    world.scale("operator", 2)
    try:
        burst.fill(20)
        resources = burst.all_ready(timeout_s=300)
    finally:
        world.scale("operator", 1)
    assert [reasons_of(each) for each in resources] == [["Imported"]] * 20


def test_no_operator_runs_while_imports_are_created(burst: Burst, world: World) -> None:
    world.scale("operator", 0)
    try:
        burst.fill(5)
    finally:
        world.scale("operator", 1)
    burst.all_ready(timeout_s=120)


def test_every_second_importer_pod_is_killed(burst: Burst, world: World) -> None:
    burst.fill(20, size_bytes=5_000_000, bytes_per_second=1_000_000)
    killed = set[str]()
    while len(killed) < 10:
        burst.observe_for(1)
        assert burst.unfinished(), f"all were finished when {len(killed)} were killed"
        running = [each["metadata"] for each in burst.importers() if each["status"]["phase"] == "Running"]
        fresh = [each for each in running if each["labels"]["mediaimport.dev/uid"] not in killed]
        for each in fresh[:2]:
            world.kill_pod(each["name"])
            killed.add(each["labels"]["mediaimport.dev/uid"])
    resources = burst.all_ready(timeout_s=300)
    again = [each for each in resources if len(each["status"]["attempts"]) > 1]
    assert {each["metadata"]["uid"] for each in again} <= killed


def test_all_jobs_are_deleted_by_a_person(burst: Burst, world: World) -> None:
    burst.fill(10, size_bytes=5_000_000, bytes_per_second=1_000_000)
    burst.observe_for(4)
    jobs = [name for each in burst.resources() for name in world.jobs(each["metadata"]["name"])]
    world.kubectl("delete", "jobs", *jobs, "--wait=false")
    burst.all_ready(timeout_s=300)


def test_source_fails_twice(burst: Burst) -> None:
    burst.fill(1, failures=2)
    (resource,) = burst.all_ready(timeout_s=120)
    assert reasons_of(resource) == ["SourceUnavailable", "SourceUnavailable", "Imported"]
