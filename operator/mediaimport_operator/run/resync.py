"""Resync: lists of all objects, before the first reconcile and every few minutes, which repair what a watch missed."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import KubernetesError
from mediaimport_runtime.kubernetes.objects import unpack

from mediaimport_operator.decide.limits import order
from mediaimport_operator.observe.cache import ClusterCache, import_uid
from mediaimport_operator.observe.job import read_job
from mediaimport_operator.observe.resource import read
from mediaimport_operator.pods.import_job import selector

if TYPE_CHECKING:
    from mediaimport_operator.reconcile.context import Context

INTERVAL_S = 300.0
_RETRY_S = 5.0

log = logging.getLogger(__name__)


class Resync:
    """Fills the caches and repairs them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.last_at: datetime | None = None

    async def first(self) -> None:
        """Fill the caches, retrying until it succeeds; give slots to running imports; queue all, most urgent first."""
        while await self._try() is None:  # noqa: ASYNC110 - the API server's return has no asyncio.Event
            await asyncio.sleep(_RETRY_S)
        self._occupy_slots()
        cache = self._context.cache
        self._context.queue.add_all_first(_by_urgency(cache))
        log.info("caches synced", extra={"imports": len(cache.imports), "jobs": len(cache.jobs)})

    async def forever(self) -> None:
        """Resync every INTERVAL_S."""
        while True:  # noqa: ASYNC110 - a clock, not a condition
            await asyncio.sleep(_RETRY_S if await self.once() is None else INTERVAL_S)

    async def once(self) -> int | None:
        """Resync and queue the imports that have changed; return their number, None if the API is unavailable."""
        changed = await self._try()
        self._context.queue.add_all(changed or [])
        self._context.metrics.repaired(len(changed or []))
        return None if changed is None else len(changed)

    async def _try(self) -> list[str] | None:
        try:
            changed = await self._list_all()
        except KubernetesError as error:
            log.warning("resync failed", extra={"error": str(error)})
            return None
        self.last_at = datetime.now(UTC)
        return changed

    async def _list_all(self) -> list[str]:
        """List all kinds in all namespaces; return the keys of the imports that have changed."""
        settings, cluster, cache = self._context.settings, self._context.cluster, self._context.cache
        cache.forget_deletions()
        labels = selector(settings.instance)
        keys: dict[str, None] = {}
        for namespace in settings.namespaces:
            # Jobs and pods first: a reconcile must not see an import without what already runs for it.
            for kind, listing in (
                (cache.jobs, lambda where: cluster.jobs(where, labels)),
                (cache.pods, lambda where: cluster.pods(where, labels)),
                (cache.imports, cluster.imports),
            ):
                packed, version = await listing(namespace)
                keys.update(dict.fromkeys(kind.replace(namespace, map(unpack, packed), version)))
        return [key for key in keys if key]

    def _occupy_slots(self) -> None:
        """Give slots to the imports whose Jobs run, before any other import gets one."""
        for item in self._context.cache.jobs:
            owner = self._context.cache.imports.get(import_uid(item))
            if owner is None or read_job(item).finished:
                continue
            resource = read(owner)
            if not (self._context.settings.kueue and resource.queue):
                self._context.slots.occupy(resource.claim)


def _by_urgency(cache: ClusterCache) -> list[str]:
    """Return all imports, those not completed first, in the order in which they get slots."""
    resources = (read(item) for item in cache.imports)
    return [uid for *_, uid in sorted((each.completed, order(each.claim), each.uid) for each in resources)]
