"""The state that all reconciles of one operator share."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.objects import true_condition

from mediaimport_operator.decide.limits import Slots
from mediaimport_operator.notify.endpoints import Endpoints
from mediaimport_operator.notify.outbox import Outbox
from mediaimport_operator.observe.cache import ClusterCache, ImportCache
from mediaimport_operator.observe.job import owned_by
from mediaimport_operator.progress.log_follower import LogFollowers
from mediaimport_operator.reconcile.metrics import Metrics
from mediaimport_operator.reconcile.queue import DEBOUNCE_S, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.observed import Refusal
    from mediaimport_operator.reconcile.sts import Sts
    from mediaimport_operator.settings.operator import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """Settings, API client, clock, and what the operator keeps in memory.

    `refusals` holds, by import, the newest refusal of a Job; `sessions` the uid of the newest Job that has credentials.
    """

    settings: Settings
    cluster: Cluster
    clock: Callable[[], datetime]
    metrics: Metrics
    queue: WorkQueue
    cache: ClusterCache
    slots: Slots
    followers: LogFollowers
    refusals: dict[str, Refusal]
    sts: Sts | None
    sessions: dict[str, str]
    endpoints: Endpoints
    outbox: Outbox

    @classmethod
    def create(  # noqa: PLR0913 - the parts that tests replace
        cls,
        settings: Settings,
        cluster: Cluster,
        *,
        clock: Callable[[], datetime],
        logs: Cluster | None = None,
        metrics: Metrics | None = None,
        sts: Sts | None = None,
        debounce_s: float = DEBOUNCE_S,
    ) -> Context:
        """Return the state of an operator that has seen nothing yet; `logs` is the API client for logs, if another."""
        metrics, queue = metrics or Metrics(), WorkQueue(debounce_s=debounce_s)
        endpoints = Endpoints(settings.events)
        return cls(
            settings=settings,
            cluster=cluster,
            clock=clock,
            metrics=metrics,
            queue=queue,
            cache=ClusterCache(imports=ImportCache(ttl_by_default=settings.default_ttl_s > 0)),
            slots=Slots(settings.caps, on_grant=queue.add),
            followers=LogFollowers(logs or cluster, on_progress=queue.add, on_step=metrics.step),
            refusals={},
            sts=sts,
            sessions={},
            endpoints=endpoints,
            outbox=Outbox(endpoints, clock=clock, on_delivery=queue.add),
        )

    def unreadable(self, kind: str, error: Exception) -> None:
        """Report an object that a loop over many passes over. The message is left out: it may quote a URL's query."""
        self.metrics.object_unreadable(kind)
        log.error("object cannot be read", extra={"kind": kind, "error": type(error).__name__})

    def own_jobs(self, key: str) -> list[Object]:
        """Return the Jobs whose controller is that import: others only have its label."""
        return [job for job in self.cache.jobs.of_import(key) if owned_by(job, key)]

    def has_unfinished_job(self, key: str) -> bool:
        """Return whether a Job of that import may still run."""
        conditions = ("Complete", "Failed")
        return any(not any(true_condition(job, each) for each in conditions) for job in self.own_jobs(key))

    def forget(self, key: str) -> None:
        """Forget an import that no longer exists, and release its slot."""
        self.slots.release(key)
        self.followers.unfollow(key)
        self.refusals.pop(key, None)
        self.sessions.pop(key, None)
        self.outbox.forget(key)
        self.cache.forget_deleted_of(key)
