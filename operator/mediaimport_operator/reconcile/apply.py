"""I/O out: makes a plan true. Each step can be repeated; the API's answers go back into the caches."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from mediaimport_api.reasons import Reason
from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError, NotFoundError, RefusedError
from mediaimport_runtime.kubernetes.patch import merge_patch

from mediaimport_operator.decide.actions import (
    CreateEraser,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Hold,
    LetGo,
    Slot,
)
from mediaimport_operator.decide.conditions import complaint
from mediaimport_operator.decide.observed import Refusal
from mediaimport_operator.observe import job
from mediaimport_operator.pods import import_job
from mediaimport_operator.reconcile import events
from mediaimport_operator.reconcile.finalizer import Custody
from mediaimport_operator.reconcile.store_check import StoreCheck

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Status
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.actions import Action, Plan
    from mediaimport_operator.decide.limits import Slots
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.observe.cache import World
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.progress.log_follower import Followers
    from mediaimport_operator.reconcile.metrics import Metrics
    from mediaimport_operator.settings.operator import Settings

_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(seconds=60)
_NAME_TAKEN_WAIT = timedelta(seconds=30)

log = logging.getLogger(__name__)


class Applier:
    """Applies plans. `refusals` holds, by import, the Jobs that the API server would not take."""

    def __init__(  # noqa: PLR0913  a plan reaches all these places
        self,
        *,
        cluster: Cluster,
        world: World,
        slots: Slots,
        followers: Followers,
        refusals: dict[str, Refusal],
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self._cluster = cluster
        self._world = world
        self._slots = slots
        self._followers = followers
        self._refusals = refusals
        self._metrics = metrics
        self._custody = Custody(cluster=cluster, world=world, metrics=metrics, settings=settings)
        self._store_check = StoreCheck(cluster)

    async def apply(self, observed: Observed, plan: Plan) -> Refusal | None:
        """Do what the plan says, in an order that loses nothing; a Job that is refused ends it.

        The finalizer comes first. Jobs are created before the status tells of them (their names make that
        repeatable), deleted after it.
        """
        self._settle(observed, plan)
        for action in plan.actions:
            if isinstance(action, Hold):
                observed = await self._custody.hold(observed, on=action.on)
        for action in plan.actions:
            if isinstance(action, CreateJob | CreateEraser) and (refusal := await self._create(observed, action)):
                return refusal
        if plan.status is not None:
            await self._write(observed, plan.status)
            await self._store_check.learn(observed)
        for action in plan.actions:
            await self._end(observed, action)
        return None

    async def complain(self, key: str, message: str, *, now: datetime) -> None:
        """Show in its status that an import's passes fail, once for each cause."""
        item = self._world.imports.get(key)
        conditions = None if item is None else complaint(item, message, now=now)
        if item is None or conditions is None:
            return
        meta = item["metadata"]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": {"conditions": conditions}}
        try:
            self._world.imports.see(await self._cluster.patch_status(meta["namespace"], meta["name"], patch))
        except KubernetesError as error:
            log.info("failure not shown", extra={"import": meta["name"], "error": str(error)})

    def dismiss(self, key: str) -> None:
        """Forget an import that is gone."""
        self._slots.free(key)
        self._followers.leave(key)
        self._refusals.pop(key, None)
        self._world.relics.pop(key, None)

    def _settle(self, observed: Observed, plan: Plan) -> None:
        """Bring ledger and followers in line with the plan."""
        key, namespace = observed.resource.uid, observed.resource.namespace
        if observed.is_told:
            self._world.relics.pop(key, None)
        match plan.slot:
            case Slot.USED:
                self._slots.use(observed.resource.claim)
            case Slot.NONE:
                self._slots.free(key)
            case Slot.WANTED:
                self._slots.want(observed.resource.claim)
        if plan.follow is None:
            self._followers.leave(key)
        else:
            self._followers.follow(key, namespace=namespace, pod=plan.follow)

    # --- Jobs ---

    async def _create(self, observed: Observed, action: CreateJob | CreateEraser) -> Refusal | None:
        if isinstance(action, CreateJob):
            return await self._create_job(observed, action)
        try:
            await self._custody.create_eraser(observed.resource)
        except (RefusedError, ConflictError) as error:
            return self._refused(observed, Reason.JOB_REFUSED, str(error))
        self._refusals.pop(observed.resource.uid, None)
        return None

    async def _create_job(self, observed: Observed, action: CreateJob) -> Refusal | None:
        owner = observed.resource
        wanted = import_job.job(
            owner,
            observed.settings,
            attempt=action.attempt,
            more_memory=action.more_memory,
            look_at_store=self._store_check.wanted,
        )
        name = wanted["metadata"]["name"]
        try:
            made = await self._cluster.create_job(owner.namespace, wanted)
        except ConflictError:
            made = await self._cluster.get_job(owner.namespace, name)
            if not (job.owned_by(made, owner.uid) and _same_labels(made, wanted)):
                message = f"the Job {name} exists and belongs to something else"
                return self._refused(observed, Reason.JOB_NAME_TAKEN, message)
        except RefusedError as error:
            return self._refused(observed, Reason.JOB_REFUSED, str(error))
        self._refusals.pop(owner.uid, None)
        self._world.jobs.see(made)
        self._count_start(observed, action)
        log.info("job created", extra={"import": owner.name, "namespace": owner.namespace, "job": name})
        return None

    def _count_start(self, observed: Observed, action: CreateJob) -> None:
        owner, now = observed.resource, observed.now
        if action.attempt > 1:
            return
        if not owner.run:
            self._metrics.step("queue", (now - owner.created_at).total_seconds())
        if owner.claim.expires_at is not None and now > owner.claim.expires_at:
            self._metrics.started_late()

    def _refused(self, observed: Observed, reason: Reason, message: str) -> Refusal:
        """Remember a refusal; the wait before asking again grows with the time since the first."""
        before, now = observed.refusal, observed.now
        since = before.since if before else now
        wait = (
            _NAME_TAKEN_WAIT if reason is Reason.JOB_NAME_TAKEN else max(_FIRST_WAIT, min(now - since, _LONGEST_WAIT))
        )
        refusal = Refusal(reason=reason, message=message, since=since, retry_at=now + wait)
        self._refusals[observed.resource.uid] = refusal
        self._metrics.job_refused(reason)
        log.warning("job refused", extra={"import": observed.resource.name, "reason": reason, "error": message})
        return refusal

    async def _end(self, observed: Observed, action: Action) -> None:
        match action:
            case CreateJob() | CreateEraser() | Hold():
                return
            case DeleteJob(name, uid):
                await self._delete_job(observed.resource, name, uid)
            case DeleteResource():
                await self._delete_import(observed)
            case LetGo(left):
                await self._custody.let_go(observed, left)
            case _:
                assert_never(action)

    async def _delete_job(self, owner: Resource, name: str, uid: str) -> None:
        try:
            await self._cluster.delete_job(owner.namespace, name, uid=uid)
        except (NotFoundError, ConflictError):
            log.debug("job already gone", extra={"job": name})
        if (item := self._world.jobs.get(uid)) is not None:
            self._world.jobs.forget(item)

    async def _delete_import(self, observed: Observed) -> None:
        """Delete what has had its time. Nobody asked for that, so the stored objects stay, whatever the policy."""
        if observed.resource.held:
            observed = await self._custody.hold(observed, on=False)
        owner = observed.resource
        try:
            await self._cluster.delete_import(owner.namespace, owner.name, uid=owner.uid, version=owner.version)
        except NotFoundError:
            log.debug("import already gone", extra={"import": owner.name})
        except ConflictError:
            await self._look_again(owner)
            raise

    # --- status ---

    async def _write(self, observed: Observed, status: Status) -> None:
        """Write what differs; nothing if nothing does. ConflictError when the resource is not as we saw it."""
        owner = observed.resource
        changes = merge_patch(owner.status_wire, status.to_wire())
        if not changes:
            return
        patch = {"metadata": {"resourceVersion": owner.version}, "status": changes}
        try:
            written = await self._cluster.patch_status(owner.namespace, owner.name, patch)
        except NotFoundError:
            return
        except ConflictError:
            await self._look_again(owner)
            raise
        self._world.imports.see(written)
        self._metrics.written(owner, status)
        if (told := events.event(owner, status, now=observed.now)) is not None:
            await events.post(self._cluster, owner.namespace, told)

    async def _look_again(self, owner: Resource) -> None:
        try:
            self._world.imports.see(await self._cluster.get_import(owner.namespace, owner.name))
        except NotFoundError:
            return


def _same_labels(made: Object, wanted: Object) -> bool:
    """Tell whether a Job carries all the labels by which we find it again."""
    labels = made["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in wanted["metadata"]["labels"].items())
