"""Kueue admits imports: its quota holds the others, and it can preempt one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import LABEL_QUEUE

from dev.cluster import exports
from dev.cluster.cache import Cache
from tests.support import kueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.world import Resource, World

pytestmark = pytest.mark.slow  # compiles Kueue, the first time

QUEUE = "one-at-a-time"


@pytest.fixture(scope="module")
def queued(world: World, environment: dict[str, str]) -> Iterator[World]:
    """The world with an operator that leaves admission to Kueue, whose queue has room for one import."""
    if exports.is_foreign(environment, Cache.of(environment)):
        pytest.skip("a cluster that is not ours is not ours to install Kueue in")
    kube = world.installation.kube
    with kueue.installed(kube, namespace=world.namespace), world.operator_setting("KUEUE_ENABLED", "true"):
        room = {"cpu": "300m", "memory": "1Gi", "ephemeral_storage": "1Gi"}
        kueue.queue(kube, namespace=world.namespace, name=QUEUE, **room)
        yield world
        kube.kubectl("delete", f"clusterqueue/{QUEUE}", f"resourceflavor/{QUEUE}", "--wait=false")


def create(world: World, names: list[str], **scenario: object) -> None:
    url = world.file_url(**scenario)
    items = [world.manifest(name, {"source": {"url": url}}) for name in names]
    for each in items:
        each["metadata"]["labels"] = {LABEL_QUEUE: QUEUE}
    world.kubectl("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def phase_and_reason(resource: Resource) -> tuple[str, str]:
    status = resource["status"]
    return status.get("phase", ""), status.get("conditions", [{}])[0].get("message", "")


def hold(world: World, policy: str) -> None:
    """Let the queue admit (None), or admit no more and end running imports (HoldAndDrain)."""
    change = json.dumps({"spec": {"stopPolicy": policy}})
    world.kubectl("patch", "clusterqueue", QUEUE, "--type=merge", "--patch", change)


def test_quota_admits_one_and_holds_the_others(queued: World) -> None:
    names = [f"kueue-{number}" for number in range(3)]
    create(queued, names, size_bytes=5_000_000, bytes_per_second=1_000_000)

    def admitted_in_turn() -> bool:
        seen = [phase_and_reason(queued.get(name)) for name in names]
        held = [message for phase, message in seen if phase == "Queued"]
        assert set(held) <= {f"waits for Kueue to admit it by the queue {QUEUE}"}
        return len(held) == 2 and "Importing" in {phase for phase, _ in seen}

    queued.wait_until(admitted_in_turn, "one that is imported while two are held", timeout_s=60)
    for name in names:
        assert len(queued.wait_for_phase(name, "Ready", timeout_s=120)["status"]["attempts"]) == 1


def test_preemption_does_not_count_as_an_attempt(queued: World) -> None:
    create(queued, ["kueue-drained"], size_bytes=10_000_000, bytes_per_second=1_000_000)
    queued.wait_for_phase("kueue-drained", "Importing")
    hold(queued, "HoldAndDrain")
    queued.wait_for_phase("kueue-drained", "Queued")
    hold(queued, "None")
    status = queued.wait_for_phase("kueue-drained", "Ready", timeout_s=120)["status"]
    assert [each["reason"] for each in status["attempts"]] == ["Imported"]
    assert len(queued.objects(f"media/default/{status['asset']['id']}/")) == 3
