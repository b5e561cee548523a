"""A store that ignores conditional writes is detected by helm test, and reported in the operator's log and an Event."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dev.cluster.kubectl import Kube, KubeError
from tests.support.forgetful_store.manifest import NAME, manifests
from tests.support.installation.helm import Installation, install
from tests.support.replicate.manifest import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.world import World

RELEASE = "trusting"


@pytest.fixture(scope="module")
def trusting(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release whose store is a proxy that removes the conditions of all writes."""
    kube, namespace = Kube(environment), f"{world.namespace}-trusting"
    kube.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
    kube.kubectl("create", "namespace", namespace)
    kube.apply(manifests(environment, namespace=namespace))
    kube.wait_for_rollout(NAME, namespace=namespace)
    installation = Installation(kube, namespace, RELEASE)
    s3 = {"endpointUrl": f"http://{NAME}.{namespace}.svc", "caBundle": ""}
    values = {"crds": {"enabled": False}, "s3": s3}
    install(installation, environment, replicate=StandIn("nowhere", "127.0.0.1"), values=values)
    yield replace(world, installation=installation)
    kube.kubectl("delete", "namespace", namespace, "--wait=false")


def test_store_that_ignores_conditions_is_detected(trusting: World) -> None:
    # helm test's own import is the first one after the operator's start.
    with pytest.raises(KubeError):
        trusting.installation.kube.helm("test", RELEASE, "--namespace", trusting.namespace)
    lines = trusting.kubectl("logs", f"{RELEASE}-test").splitlines()
    broken = [each for each in lines if each.startswith("✗")]
    assert [each.partition(":")[0] for each in broken] == ["✗ store honours conditional writes"], broken
    assert "To do: use a store that honours conditional writes" in broken[0]
    trusting.wait_until(lambda: is_in_log(trusting), "a line in the operator's log", timeout_s=20)
    (event,) = json.loads(
        trusting.kubectl("get", "events", "--field-selector", "reason=StoreOverwrites", "-o", "json")
    )["items"]
    assert event["type"] == "Warning"
    assert "does not honour conditional writes" in event["message"]


def is_in_log(world: World) -> bool:
    lines = [json.loads(line) for line in world.kubectl("logs", f"deployment/{RELEASE}-operator").splitlines()]
    return any("does not honour conditional writes" in json.dumps(each) for each in lines)
