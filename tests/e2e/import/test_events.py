"""`events.endpoints`: the receiver of docs/events.md, in the cluster, takes what the operator signs."""

from __future__ import annotations

import secrets
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dev.cluster import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.world import Resource, World

RECEIVER = Path(__file__).parents[3] / "examples" / "receive_events.py"
LABELS = {"app": "receiver"}


def key() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


def receiver(image: str, signing_key: str) -> list[Resource]:
    """Return the objects of a receiver that believes messages with that key."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    container = {
        "name": "receiver",
        "image": image,
        "command": ["python", "-m", "uvicorn", "receive_events:app", "--host", "0.0.0.0", "--port", "8000"],  # noqa: S104 - a pod's own
        "workingDir": "/app",
        "env": [{"name": "SIGNING_KEY", "value": signing_key}],
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "securityContext": security,
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "app", "configMap": {"name": "receiver"}}],
    }
    port = {"port": 80, "targetPort": 8000}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "receiver"},
            "data": {RECEIVER.name: RECEIVER.read_text()},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "receiver", "labels": LABELS}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "receiver"},
            "spec": {"selector": LABELS, "ports": [port]},
        },
    ]


def values(image: str) -> dict[str, Any]:
    """Return the values of a release that tells a receiver, in the middle of a rotation of its key."""
    former, current = key(), key()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "receiver-keys"},
        "stringData": {"new": current, "old": former},
    }
    endpoint = {
        "name": "receiver",
        "url": "http://receiver/hooks/mediaimport",
        "secret": {"name": "receiver-keys", "key": "new", "previousKey": "old"},
    }
    return {
        "crds": {"enabled": False},
        "extraObjects": [secret, *receiver(image, former)],
        "events": {"endpoints": [endpoint], "allowedNetworks": [addresses.PODS, addresses.SERVICES]},
    }


@pytest.fixture(scope="module")
def told(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release that tells a receiver."""
    with world.second_release(environment, "events", values=values(environment["MEDIAIMPORT_IMAGE"])) as release:
        yield release


def wait_for(world: World, line: str) -> None:
    """Wait until the receiver has printed that line: the type of an event, and the asset."""
    world.wait_until(lambda: line in world.kubectl("logs", "receiver").splitlines(), line)


def notified(world: World, name: str) -> str:
    conditions = world.get(name)["status"]["conditions"]
    return next((str(each["reason"]) for each in conditions if each["type"] == "Notified"), "")


def test_receiver_is_told_of_ready_failed_and_deleted_assets(told: World) -> None:
    name = told.create("film", {"source": {"url": told.file_url()}, "deletionPolicy": "Delete"})
    asset = told.wait_for_phase(name, "Ready")["status"]["asset"]["id"]
    wait_for(told, f"asset.ready {asset}")
    told.wait_until(lambda: notified(told, name) == "Notified", "the condition Notified")
    lost = told.create("lost", {"source": {"url": told.file_url(file="missing")}})
    uid = told.wait_for_phase(lost, "Failed")["metadata"]["uid"]
    wait_for(told, f"asset.failed {uid}")
    told.kubectl("delete", "mi", name, "--timeout=90s")
    wait_for(told, f"asset.deleted {asset}")
    prefix = f"media/default/{asset}/"
    assert told.objects(prefix) == [f"{prefix}asset.json"], "only the tombstone is left"
    printed = [line for line in told.kubectl("logs", "receiver").splitlines() if line.startswith("asset.")]
    assert len(printed) == len(set(printed)), "each event once"
