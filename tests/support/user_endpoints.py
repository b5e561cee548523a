"""Endpoints of users, as their records tell the operator of them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from mediaimport_api.event_records import (
    FAILED_PREDICTION,
    USER_ENDPOINTS,
    FailedPrediction,
    UserEndpoint,
    UserEndpoints,
)
from mediaimport_operator.settings.events import UserEndpointSettings
from mediaimport_runtime.master_keys import MasterKeys

from tests.support.notifying_operator import LOOPBACK, NOW, Operator
from tests.support.operator_fakes import Build, FakeCluster

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.endpoints import Receiver

MASTER = MasterKeys((b"m" * 32,))
USERS_OWN = UserEndpointSettings(MASTER, LOOPBACK)


def made(receiver: Receiver, name: str, *, types: tuple[str, ...] = (), **fields: Any) -> UserEndpoint:  # noqa: ANN401 - any field
    url = f"http://127.0.0.1:{receiver.port}/"
    return UserEndpoint(id=f"we_{name}", url=url, types=list(types), **{"created_at": NOW} | fields)


def record(user: str, *endpoints: UserEndpoint) -> Object:
    """The record as the webhook writes it."""
    content = UserEndpoints(user=user, endpoints=list(endpoints)).to_wire()
    return lease(f"mediaimport-endpoints-{user}", USER_ENDPOINTS, content)


def failed(prediction: str, user: str) -> Object:
    content = FailedPrediction(
        provider="replicate", prediction=prediction, user=user, state="failed", reason="PredictionNotSucceeded", at=NOW
    )
    return lease(f"mediaimport-event-{prediction}", FAILED_PREDICTION, content.to_wire())


def lease(name: str, kind: str, content: Object) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "media",
            "labels": {"mediaimport.dev/record": kind},
            "annotations": {"mediaimport.dev/record": json.dumps(content)},
        }
    }


async def import_of(operator: Operator, name: str, user: str) -> str:
    """Bring an import of that user to Ready; return its uid."""
    build = Build(now=NOW, uid=str(uuid5(NAMESPACE_URL, name)))
    operator.cluster.put("imports", build.mediaimport(meta={"name": name}, userId=user))
    imported = build.imported(key=f"media/{user}/{build.uid}/video.mp4", bucket="bucket")
    pod = build.ended_pod(message=imported.encode(), meta={"name": f"{name}-pod", "uid": f"pod-{name}"})
    job = build.job()
    job["metadata"]["name"] = pod["metadata"]["ownerReferences"][0]["uid"].removeprefix("uid-")
    operator.cluster.put("jobs", job)
    operator.cluster.put("pods", pod)
    await operator.resync.once()
    operator.context.queue.add(build.uid)
    await operator.settle()
    return build.uid


async def start(cluster: FakeCluster, *endpoints: Any, users_own: UserEndpointSettings = USERS_OWN) -> Operator:  # noqa: ANN401 - endpoints
    operator = Operator(cluster, endpoints, Build(now=NOW), users_own)
    await operator.notifications.first()
    await operator.resync.first()
    return operator


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """The type of each event, and whose it is."""
    events = [json.loads(body) for _, body in receiver.events]
    return [(each["type"], each["data"]["user_id"]) for each in events]


async def until_known(operator: Operator, *names: str, user: str = "ada") -> None:
    """Wait until the operator knows these endpoints of the user, and no other."""
    async with asyncio.timeout(60):
        while operator.context.endpoints.own(user).keys() != set(names):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
