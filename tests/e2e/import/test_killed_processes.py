"""Processes killed during an import: it is Ready, once, with one object."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from mediaimport_api import names

if TYPE_CHECKING:
    from tests.support.installation.world import World

SLOW = {"size_bytes": 20_000_000, "bytes_per_second": 1_250_000}


@pytest.fixture
def slow_import(world: World) -> str:
    """Running import that takes some sixteen seconds more."""
    name = world.create("slow", {"source": {"url": world.file_url(**SLOW)}})
    world.wait_until(lambda: world.importer_pod(name).get("status", {}).get("phase") == "Running", "a running importer")
    return name


def ended_once(world: World, name: str, *, attempts: int) -> None:
    status = world.wait_for_phase(name, "Ready", timeout_s=120)["status"]
    reasons = [each["reason"] for each in status["attempts"]]
    assert (len(reasons), reasons.count("Imported")) == (attempts, 1), status["attempts"]
    assert len(world.objects(f"media/default/{status['asset']['id']}/")) == 3


def test_the_operator_killed_in_the_middle_loses_nothing(world: World, slow_import: str) -> None:
    world.kill_pod(world.pod_of("operator"))
    ended_once(world, slow_import, attempts=1)
    assert len(world.jobs(slow_import)) == 1


def test_the_operator_killed_while_the_import_ends_reads_its_result_later(world: World) -> None:
    # It ends after the operator, which takes some seconds, too.
    name = world.create("unseen", {"source": {"url": world.file_url(**SLOW)}})
    world.wait_until(lambda: world.jobs(name) != [], "a Job")
    world.scale("operator", 0)
    try:
        world.wait_until(lambda: world.importer_ended(name), "the importer's end")
        assert world.get(name)["status"]["phase"] != "Ready"
    finally:
        world.scale("operator", 1)
    ended_once(world, name, attempts=1)


def test_importer_pod_killed_during_the_download_costs_one_attempt(world: World, slow_import: str) -> None:
    world.kill_pod(world.importer_pod(slow_import)["metadata"]["name"])
    ended_once(world, slow_import, attempts=2)


def test_job_deleted_by_a_person_is_replaced(world: World, slow_import: str) -> None:
    world.kubectl("delete", "job", *world.jobs(slow_import), "--wait=false")
    ended_once(world, slow_import, attempts=2)


def test_job_without_its_labels_continues(world: World, slow_import: str) -> None:
    (job,) = world.jobs(slow_import)
    labels = [f"{each}-" for each in (names.MANAGED_BY, names.LABEL_UID, names.LABEL_ATTEMPT, names.LABEL_RUN)]
    world.kubectl("label", "job", job, *labels)
    ended_once(world, slow_import, attempts=1)


def test_webhook_that_is_killed_loses_no_callback(world: World) -> None:
    killer = threading.Thread(target=lambda: world.kill_pod(world.pod_of("webhook")))
    killer.start()
    prediction = world.predict({}, webhook=True)
    killer.join()
    ended_once(world, world.import_of(prediction["id"], timeout_s=90), attempts=1)
