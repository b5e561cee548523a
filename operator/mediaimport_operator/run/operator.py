"""The operator's parts and their life: leader election, first resync, workers, and a graceful stop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import kopf
from mediaimport_runtime.kubernetes.client import TIMEOUT_S
from mediaimport_runtime.kubernetes.clock import Clock
from mediaimport_runtime.metrics_server import serving_metrics

from mediaimport_operator.cluster import Cluster
from mediaimport_operator.notify.notifications import Notifications
from mediaimport_operator.notify.notifier import USERS
from mediaimport_operator.progress.log_follower import LOG_TIMEOUT_S, MAX_POLLS, MAX_STREAMS
from mediaimport_operator.reconcile import sts
from mediaimport_operator.reconcile.context import Context
from mediaimport_operator.reconcile.metrics import Metrics
from mediaimport_operator.reconcile.worker import WORKERS
from mediaimport_operator.run import kopf_app
from mediaimport_operator.run.lease import REQUEST_TIMEOUT_S, Lease, lease_name
from mediaimport_operator.run.probes import serving_probes
from mediaimport_operator.run.resync import INTERVAL_S, Resync
from mediaimport_operator.run.watch_silence import WatchSilence
from mediaimport_operator.run.workers import Workers, run_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from mediaimport_operator.settings.operator import Settings

_OTHER_CONNECTIONS = 8
"""For resyncs and Events, next to one for each worker."""
_LEASE_CONNECTIONS = 2
_STUCK_S = 120.0
_DRAIN_S = 15.0
_HEAD_START_S = 20.0
"""The most that kopf's start waits for resync and first reconciles together."""
_FIRST_RECONCILES_S = 1.0

log = logging.getLogger(__name__)


class Operator:
    """The operator without its watches, which are kopf's."""

    def __init__(self, context: Context, clock: Clock, lease_cluster: Cluster) -> None:
        """Take the API client of the Lease, which no other request shares."""
        self.context = context
        self.stopped = asyncio.Event()
        self.failure: BaseException | None = None
        self.silence = WatchSilence()
        self._clock = clock
        settings = context.settings
        self._lease = Lease(
            lease_cluster,
            namespace=settings.operator_namespace,
            name=lease_name(settings.instance),
            identity=settings.pod_uid,
        )
        self._resync = Resync(context)
        self._workers = Workers(context, self._lease)
        self._notifications = Notifications.create(
            context.cluster,
            settings.operator_namespace,
            endpoints=context.endpoints,
            outbox=context.outbox,
            clock=context.clock,
            on_try=context.metrics.notification,
            imports=lambda: context.cache.imports,
            reconcile=context.queue.add,
        )
        self._reconciling = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._stopping = False
        self._add_gauges()

    def _add_gauges(self) -> None:
        add, slots, queue, cache = (
            self.context.metrics.gauge,
            self.context.slots,
            self.context.queue,
            self.context.cache,
        )
        add("slots", "Imports that may run at a time.", lambda: slots.caps.total)
        add("slots_held", "Imports that run.", lambda: slots.in_flight)
        add("imports_waiting", "Imports that wait for a slot.", lambda: slots.waiting)
        add(
            "imports_waiting_oldest_seconds",
            "Age of the oldest import that waits for a slot.",
            lambda: slots.oldest_age_s(self._clock.now()),
        )
        add("workqueue_depth", "Imports that wait for a reconcile.", lambda: len(queue))
        add(
            "workqueue_oldest_seconds",
            "Time that the first import has waited for its reconcile.",
            lambda: queue.oldest_age_s,
        )
        add("imports", "MediaImports in the cache.", lambda: len(cache.imports))
        add("jobs", "Jobs of imports in the cache.", lambda: len(cache.jobs))
        add("lease_held", "1 while this operator is the leader.", lambda: float(self._lease.held.is_set()))
        add("clock_offset_seconds", "Time by which the API server is ahead of this node.", lambda: self._clock.offset_s)
        add("resync_age_seconds", "Time since the last resync.", self._resync_age_s)
        add(
            "watch_silence_seconds",
            "Time since the API server answered the most silent watch.",
            lambda: self.silence.longest_s,
        )
        for name, endpoint in self.context.outbox.queues.items():
            self.context.metrics.watch_endpoint(name, endpoint.oldest_age_s)
        if self.context.endpoints.settings.users_own is not None:
            self.context.metrics.watch_endpoint(USERS, self.context.outbox.oldest_age_of_users_s)

    def _resync_age_s(self) -> float:
        last = self._resync.last_at
        return 0.0 if last is None else (datetime.now(UTC) - last).total_seconds()

    async def start(self) -> None:
        """Start; return once the first reconciles run, or after _HEAD_START_S.

        kopf's first lists would slow down resync and first reconciles. The Lease may take longer than anyone waits.
        """
        self._life = asyncio.create_task(self._live(), name="life")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._reconciling.wait(), _HEAD_START_S)

    async def _live(self) -> None:
        """Become the leader, fill the caches, reconcile. A failure ends the process: the next one starts clean."""
        try:
            await self._lease.acquire()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lease.keep())
                tasks.create_task(self.silence.keep_checking())
                if self.context.endpoints.enabled:
                    await self._notifications.first()
                await self._resync.first()
                tasks.create_task(self._resync.forever())
                tasks.create_task(self._workers.run())
                if self.context.endpoints.enabled:
                    tasks.create_task(self._notify())
                await asyncio.sleep(_FIRST_RECONCILES_S)
                self._reconciling.set()
        except Exception as error:
            log.exception("operator failed")
            self.failure = error
            self._reconciling.set()
            self.stopped.set()

    async def _notify(self) -> None:
        """Tell endpoints whenever this operator leads."""
        while True:
            await self._lease.held.wait()
            await run_until(self._notifications.run(), self._lease.lapsed)

    async def stop(self) -> None:
        """Finish the running reconciles, then release the Lease. A second call does nothing more."""
        if self._stopping:
            await self.stopped.wait()
            return
        self._stopping = True
        try:
            await self._end_work()
        finally:
            await self._lease.release()
            # kopf waits five seconds for its own task, which waits for this event.
            self.stopped.set()
        log.info("operator stopped")

    async def _end_work(self) -> None:
        self.context.queue.close()
        await self._workers.drain(_DRAIN_S)
        await self.context.followers.close()
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)

    def kopf_task_ended(self, task: asyncio.Task[None]) -> None:
        """Take note of the end of one of kopf's tasks: an error ends the process, and the probes tell it at once."""
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failure is None:
            log.error("kopf failed", extra={"task": task.get_name(), "error": f"{type(error).__name__}: {error}"})
            self.failure = error

    def unhealthy_reason(self) -> str | None:
        """Return why the operator is unhealthy: an old resync, or a key that no worker takes; None if it is healthy."""
        if self.failure is not None:
            return f"the operator has failed ({type(self.failure).__name__}); see its log"
        last = self._resync.last_at
        if last is not None and self._resync_age_s() > 3 * INTERVAL_S:
            return f"the last resync was at {last:%H:%M:%S} UTC"
        age_s = self.context.queue.oldest_age_s
        if self._workers.started and self._lease.held.is_set() and age_s > _STUCK_S:
            return f"an import has waited {age_s:.0f} s for its reconcile"
        return None

    def not_ready_reason(self) -> str | None:
        """Return why no import is reconciled: no Lease, or no namespace that has answered; None if imports are."""
        if self.stopped.is_set() or self.failure is not None:
            return "the operator stops"
        if not self._lease.held.is_set():
            return "the operator does not hold the Lease"
        if self._resync.last_at is None:
            return "no watched namespace has answered yet"
        return None if self._reconciling.is_set() else "the first reconciles are starting"

    @property
    def unavailable_namespaces(self) -> Mapping[str, str]:
        """The watched namespaces that do not answer, with the API server's message."""
        return self._resync.errors


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM; raise the error that ends it otherwise."""
    metrics = Metrics()
    with serving_metrics(metrics.registry, settings.metrics_port):
        await _run(settings, metrics)


async def _run(settings: Settings, metrics: Metrics) -> None:
    async with _operator(settings, metrics) as operator, serving_probes(operator, settings.probe_port):
        try:
            await _run_kopf(settings, operator)
        finally:
            # kopf calls no cleanup handler if SIGTERM comes during the start.
            await operator.stop()
    if operator.failure is not None:
        raise operator.failure


async def _run_kopf(settings: Settings, operator: Operator) -> None:
    """Run kopf until it ends. It takes seconds to stop: a task of its own that fails is reported at once."""
    options, ours = kopf_app.kopf_settings(settings), asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=kopf_app.registry(
            context=operator.context,
            options=options,
            silence=operator.silence,
            start=operator.start,
            stop=operator.stop,
        ),
        settings=options,
        memories=kopf_app.NoMemories(),
        # kopf would look up the user's name, which an arbitrary uid does not have.
        identity=cast("Any", settings.pod_name),
        standalone=True,
        namespaces=settings.namespaces,
        stop_flag=operator.stopped,
    )
    for task in tasks:
        task.add_done_callback(operator.kopf_task_ended)
    await kopf.run_tasks(tasks, ignored=ours)


@asynccontextmanager
async def _operator(settings: Settings, metrics: Metrics) -> AsyncIterator[Operator]:
    """Open the API clients: each has connections of its own, so that logs and reconciles cannot starve the Lease."""
    clock = Clock()
    session = None if settings.session is None else sts.connect(settings.session)

    def connect(connections: int, timeout_s: float = TIMEOUT_S) -> AbstractAsyncContextManager[Cluster]:
        return Cluster.connect(
            connections=connections,
            on_request=metrics.request,
            on_left_out=metrics.left_out,
            clock=clock,
            timeout_s=timeout_s,
        )

    async with (
        connect(WORKERS + _OTHER_CONNECTIONS) as cluster,
        connect(MAX_STREAMS + MAX_POLLS + WORKERS, LOG_TIMEOUT_S) as logs,
        connect(_LEASE_CONNECTIONS, REQUEST_TIMEOUT_S) as lease_cluster,
    ):
        context = Context.create(settings, cluster, logs=logs, clock=clock.now, metrics=metrics, sts=session)
        yield Operator(context, clock, lease_cluster)
