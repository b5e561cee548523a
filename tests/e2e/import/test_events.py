"""Endpoints of the installer and of users, on the cluster: the receiver of docs/events.md takes what is signed."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dev.cluster import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installation.world import Resource, World

RECEIVER = Path(__file__).parents[3] / "examples" / "receive_events.py"
USERS = {each: secrets.token_hex(32) for each in ("alice", "bob")}
"""The token of each user."""


def key() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


def receiver(image: str, signing_key: str, name: str = "receiver") -> list[Resource]:
    """Return the objects of a receiver that believes messages with that key."""
    labels = {"app": name}
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
        "volumes": [{"name": "app", "configMap": {"name": name}}],
    }
    port = {"port": 80, "targetPort": 8000}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {RECEIVER.name: RECEIVER.read_text()},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [port]},
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
    networks = [addresses.PODS, addresses.SERVICES]
    return {
        "crds": {"enabled": False},
        "extraObjects": [secret, *receiver(image, former)],
        "events": {
            "endpoints": [endpoint],
            "allowedNetworks": networks,
            "userEndpoints": {"enabled": True, "allowedNetworks": networks},
        },
        "auth": {"tokens": [{"token": token, "user": user} for user, token in USERS.items()]},
    }


@pytest.fixture(scope="module")
def told(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release that tells a receiver."""
    with world.second_release(environment, "events", values=values(environment["MEDIAIMPORT_IMAGE"])) as release:
        yield release


def wait_for(world: World, line: str, name: str = "receiver") -> None:
    """Wait until the receiver has printed that line: the type of an event, and the asset or the prediction."""
    world.wait_until(lambda: line in world.kubectl("logs", name).splitlines(), line)


def printed(world: World, name: str = "receiver") -> list[str]:
    """Return the events that a receiver has printed."""
    return [line for line in world.kubectl("logs", name).splitlines() if line.startswith(("asset.", "prediction."))]


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
    lines = printed(told)
    assert len(lines) == len(set(lines)), "each event once"


def test_receiver_is_told_of_a_prediction_of_which_no_asset_comes(told: World) -> None:
    prediction = told.predict({"outcome": "failed"}, webhook=True)["id"]
    wait_for(told, f"prediction.failed {prediction}")
    selector = "mediaimport.dev/record=failed-prediction"

    def recorded() -> bool:
        leases = json.loads(told.kubectl("get", "leases", "-l", selector, "-o", "json"))["items"]
        notes = [each["metadata"]["annotations"].get("mediaimport.dev/deliveries", "") for each in leases]
        return any('"Delivered"' in each for each in notes)

    told.wait_until(recorded, "the delivery in the record")
    # Once more, and the same record: nobody is told twice.
    assert printed(told).count(f"prediction.failed {prediction}") == 1


@pytest.fixture(scope="module")
def clients(told: World) -> Iterator[dict[str, httpx.Client]]:
    """Clients of the webhook, by user."""
    kube, webhook = told.installation.kube, told.installation.webhook
    with kube.forward(webhook, 80, namespace=told.namespace) as url, ExitStack() as stack:
        yield {
            user: stack.enter_context(
                httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30)
            )
            for user, token in USERS.items()
        }


def imported(world: World, client: httpx.Client) -> str:
    """Import a file by the API; return the asset's id once it is ready."""
    answer = client.post("/api/v1/media/import-from-url", json={"url": world.file_url()})
    asset: str = answer.raise_for_status().json()["asset_id"]
    assert world.finished_asset(client, asset)["status"] == "ready"
    return asset


def test_endpoint_of_a_user_is_told_of_that_users_assets_alone(
    told: World, clients: dict[str, httpx.Client], environment: dict[str, str]
) -> None:
    for user, client in clients.items():
        body = {"url": f"http://receiver-{user}/hooks/mediaimport", "types": ["asset.ready"]}
        made = client.post("/api/v1/webhooks", json=body).raise_for_status().json()
        # The receiver believes the key of its own endpoint, and answers 401 to any other.
        objects = receiver(environment["MEDIAIMPORT_IMAGE"], made["signing_key"], f"receiver-{user}")
        told.installation.kube.apply(
            [each | {"metadata": each["metadata"] | {"namespace": told.namespace}} for each in objects]
        )
        told.kubectl("wait", "--for=condition=Ready", f"pod/receiver-{user}", "--timeout=90s")
    alices, bobs = (imported(told, clients[user]) for user in USERS)
    wait_for(told, f"asset.ready {alices}", "receiver-alice")
    wait_for(told, f"asset.ready {bobs}", "receiver-bob")
    assert (printed(told, "receiver-alice"), printed(told, "receiver-bob")) == (
        [f"asset.ready {alices}"],
        [f"asset.ready {bobs}"],
    )
    # The installer's endpoint is told of both.
    wait_for(told, f"asset.ready {alices}")
    wait_for(told, f"asset.ready {bobs}")
    try_and_replay(told, clients["alice"], alices)
    for client in clients.values():
        (one,) = client.get("/api/v1/webhooks").raise_for_status().json()["webhooks"]
        client.delete(f"/api/v1/webhooks/{one['id']}").raise_for_status()
    later = imported(told, clients["alice"])
    wait_for(told, f"asset.ready {later}")
    assert printed(told, "receiver-alice") == [f"asset.ready {alices}"]


def try_and_replay(world: World, client: httpx.Client, asset: str) -> None:
    """Test the only webhook of a user, and replay what it was told of the user's asset."""
    (one,) = client.get("/api/v1/webhooks").raise_for_status().json()["webhooks"]
    path = f"/api/v1/webhooks/{one['id']}"

    def delivered(kind: str, *, after: str = "") -> bool:
        rows = client.get(f"{path}/deliveries").raise_for_status().json()["deliveries"]
        return any(
            (each["type"], each["outcome"], each["http_status"]) == (kind, "delivered", 204)
            and each["ended_at"] >= after
            for each in rows
        )

    world.wait_until(lambda: delivered("asset.ready"), "the delivery in the list")
    client.post(f"{path}/test").raise_for_status()
    world.wait_until(lambda: delivered("webhook.test"), "the test's delivery")
    wait_for(world, f"webhook.test {one['id']}", "receiver-alice")
    replay = client.post(f"{path}/replay").raise_for_status().json()
    world.wait_until(lambda: delivered("asset.ready", after=replay["at"]), "the second delivery")
    # The receiver drops the double: it has the same id.
    assert printed(world, "receiver-alice") == [f"asset.ready {asset}"]


def test_stream_of_all_assets_goes_on_after_the_last_event(told: World, clients: dict[str, httpx.Client]) -> None:
    client = clients["bob"]
    with client.stream("GET", "/api/v1/events") as stream:
        lines = stream.iter_lines()
        assert "event: reset" in until(lines, "data: {}")
        first = imported(told, client)
        # Bob's own asset comes, Alice's does not.
        others = imported(told, clients["alice"])
        ready = until(lines, f'"id":"{first}"', '"status":"ready"')
        assert not any(others in line for line in ready)
    last = next(line for line in reversed(ready) if line.startswith("id: ")).removeprefix("id: ")
    second = imported(told, client)
    with client.stream("GET", "/api/v1/events", headers={"last-event-id": last}) as stream:
        missed = until(stream.iter_lines(), f'"id":"{second}"')
    assert "event: reset" not in missed
    assert not any(others in line for line in missed)


def until(lines: Iterator[str], *parts: str) -> list[str]:
    """Return the lines of a stream up to the one that has all the parts."""
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if all(part in line for part in parts):
            return seen
    raise AssertionError(f"the stream ended before {parts}: {seen[-5:]}")
