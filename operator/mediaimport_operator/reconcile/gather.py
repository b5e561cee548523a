"""I/O in: one import's world as a frozen value. From the caches; the API is asked only where they leave a doubt."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_runtime.kubernetes.errors import NotFoundError, RefusedError
from mediaimport_runtime.kubernetes.objects import unpack

from mediaimport_operator.decide.attempt import Ended
from mediaimport_operator.decide.observed import Observed, Slot
from mediaimport_operator.observe import job, pod, resource
from mediaimport_operator.pods import deletion_job
from mediaimport_operator.pods.import_job import selector

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_api.status import Attempt
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.limits import Slots
    from mediaimport_operator.decide.observed import Refusal
    from mediaimport_operator.observe.cache import World
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.progress.log_follower import Followers
    from mediaimport_operator.settings.operator import Settings


log = logging.getLogger(__name__)


class Gatherer:
    """Gathers what one pass decides by."""

    def __init__(  # noqa: PLR0913  these are all the places that an import's world is spread over
        self,
        *,
        settings: Settings,
        cluster: Cluster,
        world: World,
        slots: Slots,
        followers: Followers,
        refusals: dict[str, Refusal],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._world = world
        self._slots = slots
        self._followers = followers
        self._refusals = refusals
        self._clock = clock

    async def gather(self, key: str) -> Observed | None:
        """Return the world of that import, None if it is gone."""
        observed = self.look(key)
        if observed is None or observed.resource.spec is None:
            return observed
        if observed.resource.deleting:
            return await self._with_eraser(observed)
        if observed.resource.completed:
            return observed
        ended = observed.history.state
        if isinstance(ended, Ended) and not ended.seen:
            await self._ask_again(observed)
            observed = self.look(key)
        return observed and await self._with_tail(await self._with_pod_refusal(observed))

    def look(self, key: str) -> Observed | None:
        """Return what the caches hold of that import."""
        item = self._world.imports.get(key)
        if item is None:
            return None
        relics = self._world.relics.get(key, {}).values()
        seen = resource.read(item)
        held = self._slots.holds(key)
        return Observed(
            now=self._clock(),
            settings=self._settings,
            resource=seen,
            jobs=tuple(job.read(each) for each in self._world.jobs.of(key)),
            pods=(
                *(pod.read(each) for each in self._world.pods.of(key)),
                *(pod.read(each, gone=True) for each in relics),
            ),
            slot=Slot(held=held, full="" if held else self._slots.full_for(seen.claim)),
            progress=self._followers.progress(key),
            refusal=self._refusals.get(key),
        )

    async def _with_eraser(self, observed: Observed) -> Observed:
        """Look for the Job that deletes the objects: no watch tells of it."""
        owner, namespace = observed.resource, self._settings.operator_namespace
        if not owner.held:
            return observed
        try:
            found = await self._cluster.get_job(namespace, deletion_job.name(owner))
        except NotFoundError:
            return observed
        if not deletion_job.is_ours(found, owner):
            return observed
        pods = await self._last_words(owner) if deletion_job.has_failed_once(found) else []
        return replace(observed, eraser=deletion_job.read(found, pods))

    async def _last_words(self, owner: Resource) -> list[Object]:
        pods, _ = await self._cluster.pods(self._settings.operator_namespace, deletion_job.selector(owner))
        return [unpack(each) for each in pods]

    async def _ask_again(self, observed: Observed) -> None:
        """Look where the caches show nothing: a watch may lag behind another."""
        owner, history = observed.resource, observed.history
        listed, _ = await self._cluster.pods(
            owner.namespace, f"{selector(self._settings.instance)},mediaimport.dev/uid={owner.uid}"
        )
        for each in listed:
            self._world.pods.see(unpack(each))
        if history.last is not None:
            await self._ask_for_job(owner, history.last)

    async def _ask_for_job(self, owner: Resource, attempt: Attempt) -> None:
        """Look for an attempt's Job by its name: whoever takes its labels away hides it from watch and sweep."""
        try:
            found = await self._cluster.get_job(owner.namespace, attempt.job_name)
        except NotFoundError:
            for each in self._world.jobs.of(owner.uid):
                if each["metadata"]["name"] == attempt.job_name:
                    self._world.jobs.forget(each)
            return
        if job.owned_by(found, owner.uid):
            labels = found["metadata"].get("labels") or {}
            found["metadata"]["labels"] = labels | job.labels(owner.uid, owner.run, attempt.number)
            self._world.jobs.revive(found)

    async def _with_pod_refusal(self, observed: Observed) -> Observed:
        """Ask why a Job has no pod: nothing but the Job controller's Events says so."""
        if observed.podless is None:
            return observed
        try:
            told = await self._cluster.refused_pods(observed.resource.namespace, job_uid=observed.podless.uid)
        except RefusedError as error:
            log.info("no Events to read", extra={"job": observed.podless.name, "error": str(error)})
            return observed
        return replace(observed, pod_refusal=job.last_words(told))

    async def _with_tail(self, observed: Observed) -> Observed:
        ended = observed.history.state
        if not isinstance(ended, Ended) or ended.reason is Reason.IMPORTED or ended.pod_name is None:
            return observed
        owner = observed.resource
        tail = await self._followers.tail(owner.uid, namespace=owner.namespace, pod=ended.pod_name)
        return replace(observed, log_tail=tail)
