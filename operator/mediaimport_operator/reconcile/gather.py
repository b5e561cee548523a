"""Gather: the reads of a reconcile. They come from the caches; the API is asked only where the caches may be stale."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api.names import LABEL_UID
from mediaimport_api.reasons import Reason
from mediaimport_runtime.kubernetes.errors import NotFoundError, RefusedError

from mediaimport_operator.decide.attempt import Ended
from mediaimport_operator.decide.observed import Observed, SlotState
from mediaimport_operator.observe.job import attempt_labels, newest_message, owned_by
from mediaimport_operator.observe.owned import jobs_of, orphans_of, pods_of, read_jobs, read_pods
from mediaimport_operator.pods import cleanup_job, import_job

if TYPE_CHECKING:
    from mediaimport_api.status import Attempt
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.reconcile.context import Context
    from mediaimport_operator.settings.operator import Settings

log = logging.getLogger(__name__)


class Gatherer:
    """Gathers the input of one decision."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster
        self._cache = context.cache
        self._operator_namespace = context.settings.operator_namespace

    async def gather(self, key: str) -> Observed | None:
        """Return the import as it is; None if it no longer exists."""
        observed = self._from_cache(key)
        if observed is None:
            return None
        if observed.resource.deleting:
            return await self._with_cleanup_job(observed)
        if observed.resource.spec is None or observed.resource.completed:
            return observed
        if _may_be_stale(observed):
            await self._refresh_cache(observed)
            observed = self._from_cache(key)
        return observed and await self._with_log_tail(await self._with_pod_refusal(observed))

    def _from_cache(self, key: str) -> Observed | None:
        resource = self._cache.imports.resource(key)
        if resource is None:
            return None
        slots = self._context.slots
        held = slots.holds(key)
        cached_jobs, cached_pods = self._cache.jobs.owned_of_import(key), self._cache.pods.owned_of_import(key)
        jobs = jobs_of(cached_jobs, owner_uid=key)
        known = (*jobs, *read_jobs(self._cache.jobs.deleted.get(key, {}).values(), owner_uid=key))
        deleted_pods = self._cache.deleted_pods.get(key, {}).values()
        # With those of others.
        job_uids = {each.uid for each in known} | {each.uid for each in cached_jobs}
        return Observed(
            now=self._context.clock(),
            settings=self._settings_for(resource.user_id),
            resource=resource,
            jobs=jobs,
            pods=(
                *pods_of(cached_pods, jobs=known),
                *read_pods(deleted_pods, jobs=known, deleted=True),
            ),
            orphaned_pods=orphans_of(cached_pods, jobs=job_uids),
            slot=SlotState(held=held, wait_reason="" if held else slots.wait_reason(resource.claim)),
            progress=self._context.followers.progress(key),
            refusal=self._context.refusals.get(key),
            deliveries=self._context.outbox.deliveries(resource),
            has_credentials=self._context.sessions.get(key, ""),
        )

    def _settings_for(self, user_id: str) -> Settings:
        """Return the settings with the endpoints that the user has made."""
        settings, events = self._context.settings, self._context.endpoints.of(user_id)
        return settings if events is settings.events else replace(settings, events=events)

    # --- deletion ---

    async def _with_cleanup_job(self, observed: Observed) -> Observed:
        """Add the cleanup Job, which no watch selects."""
        owner, namespace = observed.resource, self._operator_namespace
        if not owner.has_finalizer:
            return observed
        try:
            found = await self._cluster.get_job(namespace, cleanup_job.name(owner))
        except NotFoundError:
            return observed
        if not cleanup_job.is_ours(found, owner):
            return observed
        pods = await self._cleanup_pods(owner) if cleanup_job.needs_pods(found, now=observed.now) else []
        return replace(observed, cleanup_job=cleanup_job.read(found, pods))

    async def _cleanup_pods(self, owner: Resource) -> list[Object]:
        pods: list[Object] = []
        await self._cluster.pods(self._operator_namespace, cleanup_job.selector(owner), pods.append)
        return pods

    # --- stale caches ---

    async def _refresh_cache(self, observed: Observed) -> None:
        """Read Job and pods that the caches do not show: one watch may lag behind another."""
        owner, history = observed.resource, observed.history
        selector = f"{import_job.selector(self._context.settings.instance)},{LABEL_UID}={owner.uid}"
        await self._cluster.pods(owner.namespace, selector, self._cache.pods.update)
        if history.last is not None:
            await self._refresh_job(owner, history.last)

    async def _refresh_job(self, owner: Resource, attempt: Attempt) -> None:
        """Read an attempt's Job by its name: without its labels neither watch nor resync selects it."""
        try:
            found = await self._cluster.get_job(owner.namespace, attempt.job_name)
        except NotFoundError:
            for each in self._cache.jobs.of_import(owner.uid):
                if each["metadata"]["name"] == attempt.job_name:
                    self._cache.jobs.remove(each)
            return
        if owned_by(found, owner.uid):
            labels = found["metadata"].get("labels") or {}
            found["metadata"]["labels"] = labels | attempt_labels(owner.uid, owner.run, attempt.number)
            self._cache.jobs.restore(found)

    # --- details of failures ---

    async def _with_pod_refusal(self, observed: Observed) -> Observed:
        """Add the reason why a Job has no pod: only the Job controller's Events contain it."""
        job = observed.job_missing_pod
        if job is None:
            return observed
        try:
            events = await self._cluster.refused_pods(observed.resource.namespace, job_uid=job.uid)
        except RefusedError as error:
            log.info("events not read", extra={"job": job.name, "error": str(error)})
            return observed
        return replace(observed, pod_refusal=newest_message(events))

    async def _with_log_tail(self, observed: Observed) -> Observed:
        """Add the last lines of a failed attempt's log."""
        ended = observed.history.state
        if not isinstance(ended, Ended) or ended.reason is Reason.IMPORTED or ended.pod_name is None:
            return observed
        owner = observed.resource
        tail = await self._context.followers.tail(owner.uid, namespace=owner.namespace, pod=ended.pod_name)
        return replace(observed, log_tail=tail)


def _may_be_stale(observed: Observed) -> bool:
    """Return whether the state follows from the absence of Job or pod: a stale cache can show that too."""
    state = observed.history.state
    if isinstance(state, Ended):
        return not state.confirmed
    return state is not None and state.pod_name is not None and not any(map(observed.is_current, observed.jobs))
