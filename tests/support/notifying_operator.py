"""An operator that tells endpoints on loopback of the imports in a cluster in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mediaimport_api.source_policy import SourcePolicy
from mediaimport_operator.notify.notifications import Notifications
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.reconcile.worker import Reconciler
from mediaimport_operator.run.resync import Resync
from mediaimport_operator.settings.events import Endpoint, EventSettings, UserEndpointSettings

from tests.support.endpoints import KEY
from tests.support.operator_fakes import Build, as_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.endpoints import Receiver
    from tests.support.operator_fakes import FakeCluster

NOW = datetime.now(UTC).replace(microsecond=0)
LOOPBACK = SourcePolicy((ip_network("127.0.0.0/8"),))


def endpoint(receiver: Receiver, name: str = "crm", **changes: Any) -> Endpoint:  # noqa: ANN401 - any field
    return replace(Endpoint(name, f"http://127.0.0.1:{receiver.port}/?token=secret", (KEY,)), **changes)


@dataclass
class Operator:
    """An operator of the imports in a cluster. Its successor knows no more than the cluster."""

    cluster: FakeCluster
    endpoints: tuple[Endpoint, ...]
    build: Build
    users_own: UserEndpointSettings | None = None

    def __post_init__(self) -> None:
        self.now = self.build.now
        settings = self.build.settings(events=EventSettings(self.endpoints, LOOPBACK, self.users_own))
        cluster = as_cluster(self.cluster)
        self.context = Context.create(settings, cluster, clock=self.clock, debounce_s=0)
        self.resync, self.reconciler = Resync(self.context), Reconciler(self.context)
        self.notifications = Notifications.create(
            cluster,
            "media",
            endpoints=self.context.endpoints,
            outbox=self.context.outbox,
            clock=self.context.clock,
            on_try=self.context.metrics.notification,
            imports=lambda: self.context.cache.imports,
            reconcile=self.context.queue.add,
        )

    def clock(self) -> datetime:
        return self.now

    async def settle(self) -> None:
        """Reconcile until the queue is empty."""
        queue = self.context.queue
        while len(queue):
            key = await queue.get()
            assert key is not None
            at = await self.reconciler.reconcile(key)
            queue.done(key)
            if at is not None and at <= self.now:
                queue.add(key)

    @asynccontextmanager
    async def notifying(self) -> AsyncIterator[None]:
        """Deliver for as long as the block does; what is under way then is cancelled."""
        task = asyncio.create_task(self.notifications.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, reason: str, name: str = "film") -> None:
        """Reconcile until the condition Notified has that reason."""
        async with asyncio.timeout(60):
            while (notified(self.cluster, name) or {}).get("reason") != reason:
                await self.settle()
                await asyncio.sleep(0.01)

    async def until_counted(self, tries: int) -> None:
        """Wait until so many tries in vain have been counted."""
        async with asyncio.timeout(60):
            while (self.count("failed") or 0) + (self.count("given_up") or 0) < tries:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)

    def count(self, outcome: str, name: str = "crm") -> float | None:
        sample = "mediaimport_operator_notifications_total"
        value: float | None = self.context.metrics.registry.get_sample_value(
            sample, {"receiver": name, "outcome": outcome}
        )
        return value


def notified(cluster: FakeCluster, name: str = "film") -> Object | None:
    conditions = cluster.objects["imports"][name]["status"].get("conditions", [])
    return next((each for each in conditions if each["type"] == "Notified"), None)


async def import_all(operator: Operator, *names: str, **spec: Any) -> None:  # noqa: ANN401 - JSON
    """Bring imports of those names to Ready."""
    for number, name in enumerate(names or ("film",)):
        build = Build(now=NOW, uid=str(UUID(int=number + 1)))
        item = build.mediaimport(meta={"name": name}, **spec)
        operator.cluster.put("imports", item)
        pod = build.ended_pod(message=build.imported().encode(), meta={"name": f"{name}-pod", "uid": f"pod-{name}"})
        job = build.job()
        job["metadata"]["name"] = pod["metadata"]["ownerReferences"][0]["uid"].removeprefix("uid-")
        operator.cluster.put("jobs", job)
        operator.cluster.put("pods", pod)
    await operator.resync.first()
    await operator.settle()
