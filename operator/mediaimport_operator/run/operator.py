"""The parts put together, and their life: Lease, first sweep, workers; and the end in good order."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import kopf
from mediaimport_runtime.kubernetes.clock import Clock
from mediaimport_runtime.metrics_server import serving_metrics

from mediaimport_operator.cluster import Cluster
from mediaimport_operator.decide.limits import Slots
from mediaimport_operator.observe.cache import World
from mediaimport_operator.progress.log_follower import Followers
from mediaimport_operator.reconcile import worker
from mediaimport_operator.reconcile.apply import Applier
from mediaimport_operator.reconcile.gather import Gatherer
from mediaimport_operator.reconcile.metrics import Metrics
from mediaimport_operator.reconcile.queue import WorkQueue
from mediaimport_operator.reconcile.worker import Reconciler
from mediaimport_operator.run import kopf_app, resync
from mediaimport_operator.run.lease import Lease, lease_name
from mediaimport_operator.run.resync import Sweeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_operator.decide.observed import Refusal
    from mediaimport_operator.settings.operator import Settings

_STUCK_S = 120.0
_DRAIN_S = 15.0
_HEAD_START_S = 20.0
"""At most, for sweep and passes together."""
_FIRST_PASSES_S = 1.0

log = logging.getLogger(__name__)


class Engine:
    """The operator but for its watches."""

    def __init__(self, settings: Settings, cluster: Cluster, metrics: Metrics, clock: Clock) -> None:
        self._clock = clock
        self.world = World()
        self.queue = WorkQueue()
        self.stopped = asyncio.Event()
        self._under_way = asyncio.Event()
        self.failure: BaseException | None = None
        slots = Slots(settings.caps, on_grant=self.queue.add)
        refusals: dict[str, Refusal] = {}
        self._followers = Followers(cluster, on_progress=self.queue.add, on_step=metrics.step)
        self._lease = Lease(
            cluster,
            namespace=settings.operator_namespace,
            name=lease_name(settings.instance),
            identity=settings.pod_uid,
        )
        self._sweeper = Sweeper(
            settings=settings, cluster=cluster, world=self.world, queue=self.queue, slots=slots, metrics=metrics
        )
        self._reconciler = Reconciler(
            queue=self.queue,
            gatherer=Gatherer(
                settings=settings,
                cluster=cluster,
                world=self.world,
                slots=slots,
                followers=self._followers,
                refusals=refusals,
                clock=clock.now,
            ),
            applier=Applier(
                cluster=cluster,
                world=self.world,
                slots=slots,
                followers=self._followers,
                refusals=refusals,
                metrics=metrics,
                settings=settings,
            ),
            slots=slots,
            metrics=metrics,
            clock=clock.now,
        )
        self._show(metrics, slots)
        self._life: asyncio.Task[None] | None = None
        self._workers: list[asyncio.Task[None]] = []

    def _show(self, metrics: Metrics, slots: Slots) -> None:
        show = metrics.show
        show("slots", "Imports that may run at a time.", lambda: slots.caps.total)
        show("slots_held", "Imports that run.", lambda: slots.in_flight)
        show("imports_waiting", "Imports that wait for a slot.", lambda: slots.waiting)
        show(
            "imports_waiting_oldest_seconds",
            "Since the creation of the oldest import that waits for a slot.",
            lambda: slots.oldest_age_s(self._clock.now()),
        )
        show("pass_queue_length", "Imports that wait for a pass.", lambda: len(self.queue))
        show("pass_queue_oldest_seconds", "How long the first one waits.", lambda: self.queue.oldest_age_s)
        show("imports", "MediaImports in the cache.", lambda: len(self.world.imports))
        show("jobs", "Jobs of imports in the cache.", lambda: len(self.world.jobs))
        show("lease_held", "1 while this is the operator that works.", lambda: float(self._lease.held.is_set()))
        show("clock_offset_seconds", "By how much the API server is ahead of this node.", lambda: self._clock.offset_s)
        show("sweep_age_seconds", "Since the last whole look at the cluster.", self._sweep_age_s)

    def _sweep_age_s(self) -> float:
        last = self._sweeper.last_at
        return 0.0 if last is None else (datetime.now(UTC) - last).total_seconds()

    async def start(self) -> None:
        """Begin; first sweep and first passes get a head start, since kopf's own first lists would slow them down.

        They are not waited for without end: the Lease may be long in coming.
        """
        self._life = asyncio.create_task(self._live(), name="life")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._under_way.wait(), _HEAD_START_S)

    async def _live(self) -> None:
        """Wait for the Lease, fill the caches, work. Any failure stops the whole process: a new one starts clean."""
        try:
            await self._lease.acquire()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lease.keep())
                await self._sweeper.first()
                tasks.create_task(self._sweeper.forever())
                self._workers = [
                    asyncio.create_task(self._reconciler.work(self._lease.held), name=f"worker {number}")
                    for number in range(worker.WORKERS)
                ]
                await asyncio.sleep(_FIRST_PASSES_S)
                self._under_way.set()
        except Exception as error:
            log.exception("operator fails")
            self.failure = error
            self._under_way.set()
            self.stopped.set()

    async def stop(self) -> None:
        """Finish the passes that are being made, then give the Lease back."""
        self.queue.close()
        await self._drain()
        await self._followers.close()
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        await self._lease.release()
        # kopf waits five seconds for its own task that waits for this.
        self.stopped.set()
        log.info("operator stopped")

    async def _drain(self) -> None:
        """Wait for the workers; not if they may not work."""
        if not self._workers:
            return
        _, late = await asyncio.wait(self._workers, timeout=_DRAIN_S if self._lease.held.is_set() else 0)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def complaint(self) -> str | None:
        """Return what is wrong, if anything is: an old sweep, or a key that no worker takes."""
        last = self._sweeper.last_at
        if last is not None and self._sweep_age_s() > 3 * resync.INTERVAL_S:
            return f"the last sweep was at {last:%H:%M:%S} UTC"
        if self._workers and self._lease.held.is_set() and self.queue.oldest_age_s > _STUCK_S:
            return f"an import has waited {self.queue.oldest_age_s:.0f} s for its pass"
        return None


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM; raise what ended it otherwise."""
    metrics = Metrics()
    with serving_metrics(metrics.registry, settings.metrics_port):
        await _run(settings, metrics)


async def _run(settings: Settings, metrics: Metrics) -> None:
    async with _engine(settings, metrics) as engine:
        handlers = kopf_app.registry(
            world=engine.world,
            queue=engine.queue,
            start=engine.start,
            stop=engine.stop,
            complaint=engine.complaint,
            on_request=metrics.request,
        )
        await kopf.operator(
            registry=handlers,
            settings=kopf_app.kopf_settings(settings),
            # kopf would ask for the user's name, which an arbitrary uid does not have.
            identity=cast("Any", settings.pod_name),
            standalone=True,
            namespaces=settings.namespaces,
            liveness_endpoint=f"http://0.0.0.0:{settings.probe_port}/healthz",
            stop_flag=engine.stopped,
        )
    if engine.failure is not None:
        raise engine.failure


@asynccontextmanager
async def _engine(settings: Settings, metrics: Metrics) -> AsyncIterator[Engine]:
    """Open the API client with a connection for each worker and each followed log."""
    connections = worker.WORKERS + settings.caps.total + 8
    clock = Clock()
    async with Cluster.connect(connections=connections, on_request=metrics.request, clock=clock) as cluster:
        yield Engine(settings, cluster, metrics, clock)
