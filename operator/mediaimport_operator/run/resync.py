"""Resync: lists of all objects, before the first reconcile and every few minutes, which repair what a watch missed.

Each namespace is listed by itself: one that does not answer, since it was deleted or since the operator has no rights
there, stops no other. Each key is queued as soon as its object is cached: no error after it can lose it.

An object whose version is cached is not looked at. So a resync repairs no reconcile that was lost: each import that has
not ended is queued again every RECHECK_S, all evenly spread.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from heapq import merge
from itertools import cycle
from typing import TYPE_CHECKING
from zlib import crc32

from mediaimport_runtime.kubernetes.errors import KubernetesError, UnavailableError, named_wait_s
from mediaimport_runtime.kubernetes.objects import moment
from mediaimport_runtime.time_slice import TimeSlice

from mediaimport_operator.observe.cache import check_identity, import_uid
from mediaimport_operator.observe.job import owned_by, read_job
from mediaimport_operator.observe.resource import Due, read
from mediaimport_operator.pods.import_job import selector
from mediaimport_operator.reconcile import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.decide.limits import Order
    from mediaimport_operator.observe.object_cache import Cache
    from mediaimport_operator.reconcile.context import Context

    Listing = Callable[[Callable[[Object], None]], Awaitable[str]]

INTERVAL_S = 300.0
_RECHECK_PARTS = 3
RECHECK_S = _RECHECK_PARTS * INTERVAL_S
_RETRY_S = 5.0
_MAX_RETRY_S = 60.0
_PATIENCE_S = 15.0
"""The time for which the namespaces that answer wait for the lists of the others."""
_UNHURRIED_TRIES = 3
"""Tries of the first resync before those that answer wait no longer for an API server that does not."""
_LISTS = 4
"""Namespaces that are listed at once: each list holds two pages in memory."""
_SORTED_AT_ONCE = 2000
"""Imports that are sorted without a pause."""
_NEVER = datetime.max.replace(tzinfo=UTC)

log = logging.getLogger(__name__)


@dataclass
class Namespace:
    """One watched namespace; `error` is the newest list's, None while the namespace answers."""

    name: str
    synced_at: datetime | None = None
    error: KubernetesError | None = None
    failures: int = 0
    not_before_s: float = 0.0
    """The loop's time before which the API server wants no other list, by its Retry-After."""

    @property
    def refuses(self) -> bool:
        """True if a retry alone cannot help: somebody must change something."""
        return self.error is not None and not isinstance(self.error, UnavailableError)

    @property
    def wait_s(self) -> float:
        """The time until the next list."""
        if self.error is None:
            return INTERVAL_S
        return max(float(min(_RETRY_S * 2 ** min(self.failures - 1, 8), _MAX_RETRY_S)), named_wait_s(self.error))


class Resync:
    """Fills the caches and repairs them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._namespaces = [Namespace(name) for name in context.settings.namespaces]
        self._started = False
        self._lists = asyncio.Semaphore(_LISTS)

    @property
    def last_at(self) -> datetime | None:
        """The time of the newest list of a namespace; None before the first."""
        return max((each.synced_at for each in self._namespaces if each.synced_at is not None), default=None)

    @property
    def errors(self) -> dict[str, str]:
        """The namespaces that do not answer, with the API server's message."""
        return {each.name: str(each.error) for each in self._namespaces if each.error is not None}

    async def first(self) -> None:
        """Fill the caches from the namespaces that answer; give slots to running imports; queue all, urgent first."""
        tries = 0
        while not self._may_start(tries):
            await self._list_patiently(await self._due(_RETRY_S if tries else 0))
            tries += 1
        for each in self._namespaces:
            await self._occupy_slots(each.name)
        cache = self._context.cache
        self._context.queue.add_all_first(await self._by_urgency())
        self._started = True
        log.info("caches synced", extra={"imports": len(cache.imports), "jobs": len(cache.jobs)})

    async def forever(self) -> None:
        """Resync each namespace every INTERVAL_S, one that does not answer more often; recheck imports."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recheck(), name="recheck of imports")
            for each in self._namespaces:
                tasks.create_task(self._keep_synced(each), name=f"resync of {each.name}")

    async def once(self) -> int | None:
        """Resync and queue the imports that have changed; return their number, None if no namespace answers."""
        changed = await asyncio.gather(*(self._list(each) for each in self._namespaces))
        return None if all(each.error for each in self._namespaces) else sum(changed)

    def _may_start(self, tries: int) -> bool:
        """Return whether the reconciles may start: all namespaces answer, or some do and no retry helps the others."""
        silent = [each for each in self._namespaces if each.synced_at is None]
        if len(silent) == len(self._namespaces):
            return False
        return tries >= _UNHURRIED_TRIES or all(each.refuses for each in silent)

    async def _due(self, wait_s: float) -> list[Namespace]:
        """Wait, at least until the API server wants to be asked again; return the namespaces to list."""
        clock = asyncio.get_running_loop().time
        silent = [each for each in self._namespaces if each.synced_at is None]
        due_s = max(clock() + wait_s, min(each.not_before_s for each in silent))
        await asyncio.sleep(due_s - clock())
        return [each for each in silent if each.not_before_s <= due_s]

    async def _keep_synced(self, namespace: Namespace) -> None:
        while True:
            await asyncio.sleep(namespace.wait_s)
            await self._list(namespace)

    async def _recheck(self) -> None:
        """Queue each import that has not ended every RECHECK_S, in parts of INTERVAL_S, one after the other."""
        for part in cycle(range(_RECHECK_PARTS)):
            unfinished = self._context.cache.imports.due(Due.NOW)
            keys = [each for each in unfinished if crc32(each.encode()) % _RECHECK_PARTS == part]
            wait_s = INTERVAL_S / (len(keys) + 1)
            for key in keys:
                await asyncio.sleep(wait_s)
                self._context.queue.add(key)
            await asyncio.sleep(wait_s)

    # --- lists ---

    async def _list_patiently(self, namespaces: list[Namespace]) -> None:
        """List the namespaces; give up those that do not answer within _PATIENCE_S, if another does."""
        pending = {asyncio.create_task(self._list(each)) for each in namespaces}
        try:
            done, pending = await asyncio.wait(pending, timeout=_PATIENCE_S)
            while pending and self.last_at is None:
                more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                done |= more
        finally:
            for task in pending:
                task.cancel()
        for task in done:
            task.result()
        for each in namespaces:
            if each.synced_at is None and each.error is None:
                await self._failed(each, UnavailableError(f"no answer within {_PATIENCE_S:.0f} s"))

    async def _list(self, namespace: Namespace) -> int:
        """List a namespace and queue the imports that have changed; return their number."""
        is_first = namespace.synced_at is None
        try:
            async with self._lists:
                changed = await self._list_all(namespace.name)
        except KubernetesError as error:
            await self._failed(namespace, error)
            return 0
        if namespace.error is not None:
            log.info("namespace answers again", extra={"namespace": namespace.name})
        namespace.synced_at, namespace.error, namespace.failures = datetime.now(UTC), None, 0
        self._context.metrics.namespace_synced(namespace.name, synced=True)
        if self._started and is_first:
            await self._occupy_slots(namespace.name)
        elif self._started:
            self._context.metrics.repaired(changed)
        return changed

    async def _list_all(self, namespace: str) -> int:
        """List all kinds in a namespace; return the number of imports that have changed."""
        cluster, cache = self._context.cluster, self._context.cache
        labels = selector(self._context.settings.instance)
        cache.forget_deletions(namespace)
        changed: set[str] = set()
        # Jobs and pods first: a reconcile must not see an import without what already runs for it.
        for kind, cached, listing in (
            ("jobs", cache.jobs, partial(cluster.jobs, namespace, labels)),
            ("pods", cache.pods, partial(cluster.pods, namespace, labels)),
            ("mediaimports", cache.imports, partial(cluster.imports, namespace)),
        ):
            changed |= await self._sync(kind, cached, namespace, listing)
        return len(changed)

    async def _sync(self, kind: str, cache: Cache, namespace: str, listing: Listing) -> set[str]:
        """Bring a cache up to date, and queue each import in the moment in which its change is seen."""
        changed: set[str] = set()
        listed: set[str] = set()

        def queue(key: str | None) -> None:
            if key:
                self._context.queue.add(key)
                changed.add(key)

        def take(item: Object) -> None:
            with self._guarded(kind):
                check_identity(item)
                listed.add(item["metadata"]["uid"])
                queue(cache.store_listed(item))

        version, time_slice = await listing(take), TimeSlice()
        for key in cache.remove_missing(namespace, listed, version):
            queue(key)
            await time_slice.pause_when_over()
        return changed

    async def _failed(self, namespace: Namespace, error: KubernetesError) -> None:
        """Record that a namespace does not answer; report it once for each cause, as a log line and as an Event."""
        known = namespace.error is not None and str(namespace.error) == str(error)
        namespace.error, namespace.failures = error, namespace.failures + 1
        namespace.not_before_s = asyncio.get_running_loop().time() + named_wait_s(error)
        self._context.metrics.namespace_synced(namespace.name, synced=False)
        level = logging.DEBUG if known else logging.WARNING
        log.log(level, "resync failed", extra={"namespace": namespace.name, "error": str(error)})
        settings = self._context.settings
        if namespace.refuses and not known and namespace.name != settings.operator_namespace:
            event = events.namespace_unavailable(settings, namespace.name, str(error), now=self._context.clock())
            await events.post(self._context.cluster, settings.operator_namespace, event)

    # --- all objects, each by itself ---

    @contextmanager
    def _guarded(self, kind: str) -> Iterator[None]:
        """Pass over an object that raises: it must not stop the others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - any field may hold anything
            self._context.unreadable(kind, error)

    async def _occupy_slots(self, namespace: str) -> None:
        """Give slots to the imports of a namespace whose Jobs run, before any other import gets one."""
        time_slice = TimeSlice()
        for item in self._context.cache.jobs:
            await time_slice.pause_when_over()
            if item["metadata"]["namespace"] != namespace:
                continue
            with self._guarded("jobs"):
                self._occupy_slot(item)

    def _occupy_slot(self, job: Object) -> None:
        owner = self._context.cache.imports.get(import_uid(job))
        if owner is None or not owned_by(job, import_uid(job)) or read_job(job).finished:
            return
        resource = read(owner)
        if not (self._context.settings.kueue and resource.queue):
            self._context.slots.occupy(resource.claim)

    async def _by_urgency(self) -> list[str]:
        """Return the imports to reconcile, those not completed first, in the order in which they get slots."""
        imports, time_slice = self._context.cache.imports, TimeSlice()
        ranks: list[Order] = []
        for uid in imports.due(Due.NOW):
            if (item := imports.get(uid)) is not None:
                ranks.append(self._rank(item))
            await time_slice.pause_when_over()
        ordered: list[str] = []
        parts = [sorted(ranks[start : start + _SORTED_AT_ONCE]) for start in range(0, len(ranks), _SORTED_AT_ONCE)]
        for *_, uid in merge(*parts):
            ordered.append(uid)
            await time_slice.pause_when_over()
        return [*ordered, *imports.due(Due.AFTER_TTL)]

    def _rank(self, item: Object) -> Order:
        """Return the import's `order`, without its whole spec. One that cannot be read comes last."""
        meta = item["metadata"]
        with self._guarded("mediaimports"):
            expires_at = moment(((item.get("spec") or {}).get("source") or {}).get("expiresAt"))
            return (expires_at or _NEVER, moment(meta.get("creationTimestamp")) or _NEVER, meta["uid"])
        return (_NEVER, _NEVER, meta["uid"])
