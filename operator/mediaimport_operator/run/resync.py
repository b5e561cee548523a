"""Lists everything in pages: once before the first pass, then every few minutes for what a watch has missed."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import KubernetesError
from mediaimport_runtime.kubernetes.objects import unpack

from mediaimport_operator.decide.limits import order
from mediaimport_operator.observe import job, resource
from mediaimport_operator.observe.cache import owner_of
from mediaimport_operator.pods.import_job import selector

if TYPE_CHECKING:
    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.limits import Slots
    from mediaimport_operator.observe.cache import World
    from mediaimport_operator.reconcile.metrics import Metrics
    from mediaimport_operator.reconcile.queue import WorkQueue
    from mediaimport_operator.settings.operator import Settings

INTERVAL_S = 300.0
_RETRY_S = 5.0

log = logging.getLogger(__name__)


class Sweeper:
    """Fills and repairs the caches."""

    def __init__(  # noqa: PLR0913  it fills every place that a pass looks at
        self,
        *,
        settings: Settings,
        cluster: Cluster,
        world: World,
        queue: WorkQueue,
        slots: Slots,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._world = world
        self._queue = queue
        self._slots = slots
        self._metrics = metrics
        self.last_at: datetime | None = None

    async def first(self) -> None:
        """Fill the caches, trying until it works; enter what runs into the ledger; queue all, most urgent first."""
        while await self._try() is None:  # noqa: ASYNC110  the API server's return has no asyncio.Event
            await asyncio.sleep(_RETRY_S)
        self._enter_running()
        self._queue.put_first(_by_urgency(self._world))
        log.info("caches filled", extra={"imports": len(self._world.imports), "jobs": len(self._world.jobs)})

    async def forever(self) -> None:
        """Sweep again and again."""
        while True:  # noqa: ASYNC110  a clock, not a condition
            await asyncio.sleep(_RETRY_S if await self.once() is None else INTERVAL_S)

    async def once(self) -> int | None:
        """Sweep and queue what was missed; return how many imports that are, None if the API cannot be reached."""
        news = await self._try()
        self._queue.add_all(news or [])
        self._metrics.repaired(len(news or []))
        return None if news is None else len(news)

    async def _try(self) -> list[str] | None:
        try:
            news = await self._sweep()
        except KubernetesError as error:
            log.warning("sweep failed", extra={"error": str(error)})
            return None
        self.last_at = datetime.now(UTC)
        return news

    async def _sweep(self) -> list[str]:
        """List all kinds in all namespaces; return the keys of the imports of which there is news."""
        self._world.forget_deletions()
        labels = selector(self._settings.instance)
        keys: dict[str, None] = {}
        for namespace in self._settings.namespaces:
            # Jobs and pods first: an import must not be seen without what already runs for it.
            for cache, listing in (
                (self._world.jobs, lambda where: self._cluster.jobs(where, labels)),
                (self._world.pods, lambda where: self._cluster.pods(where, labels)),
                (self._world.imports, self._cluster.imports),
            ):
                packed, version = await listing(namespace)
                keys.update(dict.fromkeys(cache.replace(namespace, map(unpack, packed), version)))
        return [key for key in keys if key]

    def _enter_running(self) -> None:
        """Take slots for the Jobs that run, before anyone else is given one."""
        for item in self._world.jobs:
            owner = self._world.imports.get(owner_of(item))
            if owner is None or job.read(item).finished:
                continue
            seen = resource.read(owner)
            if not (self._settings.kueue and seen.queue):
                self._slots.use(seen.claim)


def _by_urgency(world: World) -> list[str]:
    """Return all imports, those that are not over first, in the order in which they get slots."""
    seen = (resource.read(item) for item in world.imports)
    return [uid for *_, uid in sorted((each.completed, order(each.claim), each.uid) for each in seen)]
