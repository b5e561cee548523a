"""Apply: the writes of a reconcile. Each can be repeated; the API's answers update the caches."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from mediaimport_api.names import STORED_OBJECTS_FINALIZER
from mediaimport_api.reasons import Reason
from mediaimport_api.spec import Spec
from mediaimport_api.status import AssetEvent
from mediaimport_runtime.kubernetes.errors import (
    ConflictError,
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    RefusedError,
)
from mediaimport_runtime.kubernetes.patch import merge_patch

from mediaimport_operator.decide.actions import (
    Action,
    CreateCleanupJob,
    CreateJob,
    DeleteJob,
    DeleteResource,
    HandOutCredentials,
    Plan,
    RemoveFinalizer,
    SetFinalizer,
    SlotRequest,
)
from mediaimport_operator.decide.conditions import ConditionBuilder, failed_status, failure_conditions
from mediaimport_operator.decide.notification import announced
from mediaimport_operator.decide.observed import Observed, Refusal
from mediaimport_operator.observe.job import owned_by
from mediaimport_operator.observe.resource import Resource, read
from mediaimport_operator.pods import cleanup_job, import_job
from mediaimport_operator.reconcile import events
from mediaimport_operator.reconcile.sessions import Sessions
from mediaimport_operator.reconcile.sts import SessionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mediaimport_api.status import Status
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.reconcile.context import Context

_INITIAL_BACKOFF = timedelta(seconds=2)
_MAX_BACKOFF = timedelta(seconds=60)
_NAME_TAKEN_BACKOFF = timedelta(seconds=30)

Creation = CreateJob | CreateCleanupJob | HandOutCredentials
"""The actions that the API server or STS can refuse."""

log = logging.getLogger(__name__)


class ForeignJobError(Exception):
    """A Job of the desired one's name exists, and is not ours."""

    def __init__(self, desired: Object) -> None:
        super().__init__(f"the Job {desired['metadata']['name']} exists and belongs to something else")


class Applier:
    """Applies plans."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster
        self._cache = context.cache
        self._metrics = context.metrics
        self._settings = context.settings
        self._store_check = events.StoreCheck(context.cluster)
        self._sessions = Sessions(context)

    async def apply(self, observed: Observed, plan: Plan) -> Refusal | None:
        """Carry out the plan in an order that loses nothing; return the refusal of a Job, which ends it.

        The finalizer is set first. A Job is created before the status records it, since its name makes the create
        idempotent, and deleted after it.
        """
        self._update_slot_and_follower(observed, plan)
        for action in plan.actions:
            if isinstance(action, SetFinalizer):
                observed = await self._set_finalizer(observed, present=action.present)
        for action in plan.actions:
            if isinstance(action, Creation) and (refusal := await self._create(observed, action)):
                return refusal
        if plan.status is not None:
            with _forbidden_in_deleted_namespace(observed.resource):
                await self._write_status(observed, plan.status)
            await self._store_check.read_result(observed)
        self._context.outbox.note(observed.resource, plan.status or observed.resource.status)
        for action in plan.actions:
            await self._delete(observed, action)
        if observed.resource.completed:
            self._cache.forget_deleted_of(observed.resource.uid)
        return None

    async def report_failure(self, key: str, message: str, *, now: datetime) -> None:
        """Show in an import's status that its reconciles fail, once for each message."""
        item = self._cache.imports.get(key)
        conditions = None if item is None else failure_conditions(item, message, now=now)
        if item is None or conditions is None:
            return
        meta = item["metadata"]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": {"conditions": conditions}}
        try:
            self._cache.imports.update(await self._cluster.patch_status(meta["namespace"], meta["name"], patch))
        except KubernetesError as error:
            log.info("failure not written to the status", extra={"import": meta["name"], "error": str(error)})

    async def give_up(self, key: str, message: str, *, now: datetime) -> bool:
        """End an import as Failed, and delete its Jobs: nothing would ever read their results.

        Return False if it is gone or has ended before.
        """
        item = self._cache.imports.get(key)
        if item is None:
            return False
        status, meta = failed_status(item, message, now=now), item["metadata"]
        if status is None:
            return False
        status = self._announced_failure(item, status, now=now)
        changes = merge_patch(item.get("status") or {}, status.to_wire())
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": changes}
        self._cache.imports.update(await self._cluster.patch_status(meta["namespace"], meta["name"], patch))
        self._metrics.import_given_up()
        await events.post(self._cluster, meta["namespace"], events.given_up(item, message, now=now))
        for job in self._context.own_jobs(key):
            await self._delete_job(meta["namespace"], job["metadata"]["name"], job["metadata"]["uid"])
        return True

    def _announced_failure(self, item: Object, status: Status, *, now: datetime) -> Status:
        """Return the status with the event for endpoints; the reconcile that follows has it delivered."""
        user = str((item.get("spec") or {}).get("userId") or Spec.model_fields["user_id"].default)
        builder = ConditionBuilder(before=status, now=now, generation=item["metadata"].get("generation"))
        events = self._context.endpoints.of(user)
        return announced(status, AssetEvent.FAILED, events=events, user_id=user, builder=builder)

    def _update_slot_and_follower(self, observed: Observed, plan: Plan) -> None:
        resource, slots, followers = observed.resource, self._context.slots, self._context.followers
        if any(job.suspended for job in observed.jobs):
            # They may have expired by the time when the Job is resumed.
            self._context.sessions.pop(resource.uid, None)
        if observed.all_attempts_recorded:
            self._cache.deleted_pods.pop(resource.uid, None)
        match plan.slot:
            case SlotRequest.USED:
                slots.occupy(resource.claim)
            case SlotRequest.NONE:
                slots.release(resource.uid)
            case SlotRequest.WANTED:
                slots.request(resource.claim)
        if plan.follow is None:
            followers.unfollow(resource.uid)
        else:
            followers.follow(resource.uid, namespace=resource.namespace, pod=plan.follow)

    # --- Jobs ---

    async def _create(self, observed: Observed, action: Creation) -> Refusal | None:
        try:
            match action:
                case CreateJob():
                    await self._create_job(observed, action)
                case CreateCleanupJob():
                    await self._create_cleanup_job(observed.resource)
                case HandOutCredentials():
                    await self._hand_out_credentials(observed.resource, action)
        except SessionError as error:
            return self._refused(observed, error.reason, str(error))
        except ForeignJobError as error:
            return self._refused(observed, Reason.JOB_NAME_TAKEN, str(error))
        except RefusedError as error:
            return self._refused(observed, Reason.JOB_REFUSED, str(error))
        self._context.refusals.pop(observed.resource.uid, None)
        return None

    async def _create_job(self, observed: Observed, action: CreateJob) -> None:
        owner = observed.resource
        desired = import_job.job(
            owner,
            observed.settings,
            attempt=action.attempt,
            more_memory=action.more_memory,
            look_at_store=self._store_check.needed,
        )
        name = desired["metadata"]["name"]
        credentials = await self._sessions.request(owner, desired)
        try:
            existing = await self._cluster.create_job(owner.namespace, desired)
        except ConflictError:
            existing = await self._cluster.get_job(owner.namespace, name)
            if not (owned_by(existing, owner.uid) and _has_labels_of(existing, desired)):
                raise ForeignJobError(desired) from None
            # It may have ended, and its watch may have said so before: then no event of it comes any more.
            self._context.queue.add(owner.uid)
        self._cache.jobs.update(existing)
        self._count_start(observed, action)
        log.info("job created", extra={"import": owner.name, "namespace": owner.namespace, "job": name})
        await self._sessions.hand_out(owner, existing, credentials)

    async def _hand_out_credentials(self, owner: Resource, action: HandOutCredentials) -> None:
        """Repeat what the creation of the Job could not do: the operator stopped, or the Job was suspended."""
        namespace = self._settings.operator_namespace if owner.deleting else owner.namespace
        try:
            job = await self._cluster.get_job(namespace, action.name)
        except NotFoundError:
            log.debug("job already deleted", extra={"job": action.name})
            return
        if job["metadata"]["uid"] == action.uid:
            await self._sessions.hand_out(owner, job, await self._sessions.request(owner, job))

    def _count_start(self, observed: Observed, action: CreateJob) -> None:
        owner, now = observed.resource, observed.now
        if action.attempt > 1:
            return
        if not owner.run:
            self._metrics.step("queue", (now - owner.created_at).total_seconds())
        if owner.claim.expires_at is not None and now > owner.claim.expires_at:
            self._metrics.started_after_expiry()

    def _refused(self, observed: Observed, reason: Reason, message: str) -> Refusal:
        """Remember a refusal; the backoff before the next try grows with the time since the first refusal."""
        before, now = observed.refusal, observed.now
        since = before.since if before else now
        backoff = max(_INITIAL_BACKOFF, min(now - since, _MAX_BACKOFF))
        if reason is Reason.JOB_NAME_TAKEN:
            backoff = _NAME_TAKEN_BACKOFF
        refusal = Refusal(reason=reason, message=message, since=since, retry_at=now + backoff)
        self._context.refusals[observed.resource.uid] = refusal
        self._metrics.job_refused(reason)
        log.warning("job refused", extra={"import": observed.resource.name, "reason": reason, "error": message})
        return refusal

    # --- deletions ---

    async def _delete(self, observed: Observed, action: Action) -> None:
        match action:
            case CreateJob() | CreateCleanupJob() | HandOutCredentials() | SetFinalizer():
                return
            case DeleteJob(name, uid):
                with _forbidden_in_deleted_namespace(observed.resource):
                    await self._delete_job(observed.resource.namespace, name, uid)
            case DeleteResource():
                await self._delete_import(observed)
            case RemoveFinalizer(orphan_reason):
                await self._remove_finalizer(observed, orphan_reason)
            case _:
                assert_never(action)

    async def _delete_job(self, namespace: str, name: str, uid: str) -> None:
        try:
            await self._cluster.delete_job(namespace, name, uid=uid)
        except (NotFoundError, ConflictError):
            log.debug("job already deleted", extra={"job": name})
        if (item := self._cache.jobs.get(uid)) is not None:
            self._cache.jobs.remove(item)

    async def _delete_import(self, observed: Observed) -> None:
        """Delete a MediaImport after its TTL. No person asked for it, so the stored objects stay under any policy."""
        if observed.resource.has_finalizer:
            observed = await self._set_finalizer(observed, present=False)
        owner = observed.resource
        try:
            await self._cluster.delete_import(owner.namespace, owner.name, uid=owner.uid, version=owner.version)
        except NotFoundError:
            log.debug("import already deleted", extra={"import": owner.name})
        except ConflictError:
            await self._refresh_import(owner)
            raise

    # --- finalizer and stored objects ---

    async def _set_finalizer(self, observed: Observed, *, present: bool) -> Observed:
        """Add our finalizer or remove it; return the resource as it is then."""
        owner = observed.resource
        others = [each for each in owner.finalizers if each != STORED_OBJECTS_FINALIZER]
        desired = [*others, STORED_OBJECTS_FINALIZER] if present else others
        patch = {"metadata": {"resourceVersion": owner.version, "finalizers": desired}}
        try:
            written = await self._cluster.patch_import(owner.namespace, owner.name, patch)
        except ConflictError:
            await self._refresh_import(owner)
            raise
        self._cache.imports.update(written)
        return replace(observed, resource=read(written))

    async def _create_cleanup_job(self, owner: Resource) -> None:
        desired = cleanup_job.job(owner, self._settings)
        credentials = await self._sessions.request(owner, desired)
        try:
            existing = await self._cluster.create_job(self._settings.operator_namespace, desired)
        except ConflictError:
            existing = await self._cluster.get_job(self._settings.operator_namespace, desired["metadata"]["name"])
            if not cleanup_job.is_ours(existing, owner):
                raise ForeignJobError(desired) from None
        log.info("cleanup job created", extra={"import": owner.name, "namespace": owner.namespace})
        await self._sessions.hand_out(owner, existing, credentials)

    async def _remove_finalizer(self, observed: Observed, orphan_reason: str | None) -> None:
        """Remove our finalizer; report orphaned objects first, while the resource still exists."""
        owner = observed.resource
        if orphan_reason is not None:
            self._metrics.objects_orphaned()
            details = {"import": owner.name, "asset": owner.asset_id, "error": orphan_reason}
            log.warning("stored objects orphaned", extra=details)
            event = events.objects_orphaned(owner, orphan_reason, now=observed.now)
            await events.post(self._cluster, owner.namespace, event)
        try:
            await self._set_finalizer(observed, present=False)
        except NotFoundError:
            log.debug("import already deleted", extra={"import": owner.name})
        if orphan_reason is None:
            await self._delete_cleanup_job(owner)

    async def _delete_cleanup_job(self, owner: Resource) -> None:
        namespace, name = self._settings.operator_namespace, cleanup_job.name(owner)
        try:
            existing = await self._cluster.get_job(namespace, name)
            if cleanup_job.is_ours(existing, owner):
                await self._cluster.delete_job(namespace, name, uid=existing["metadata"]["uid"])
        except (NotFoundError, ConflictError):
            log.debug("cleanup job already deleted", extra={"job": name})

    # --- status ---

    async def _write_status(self, observed: Observed, status: Status) -> None:
        """Write the status where it differs; ConflictError if the resource has changed since it was observed."""
        owner = observed.resource
        # Of a completed import, what this release cannot read stays: a newer one has written it.
        before = owner.status.to_wire() if owner.completed else owner.raw_status
        changes = merge_patch(before, status.to_wire())
        if not changes:
            return
        patch = {"metadata": {"resourceVersion": owner.version}, "status": changes}
        try:
            written = await self._cluster.patch_status(owner.namespace, owner.name, patch)
        except NotFoundError:
            return
        except ConflictError:
            await self._refresh_import(owner)
            raise
        self._cache.imports.update(written)
        self._metrics.status_written(owner, status)
        if (event := events.status_event(owner, status, now=observed.now)) is not None:
            await events.post(self._cluster, owner.namespace, event)
        if (event := events.notification_event(owner, status, now=observed.now)) is not None:
            await events.post(self._cluster, owner.namespace, event)

    async def _refresh_import(self, owner: Resource) -> None:
        try:
            self._cache.imports.update(await self._cluster.get_import(owner.namespace, owner.name))
        except NotFoundError:
            return


@contextmanager
def _forbidden_in_deleted_namespace(owner: Resource) -> Iterator[None]:
    """Pass over what is forbidden while the resource is deleted: its namespace may be, and the RoleBinding goes first.

    The cleanup Job runs in the operator's own namespace, and a ClusterRole allows the removal of the finalizer.
    """
    try:
        yield
    except ForbiddenError as error:
        if not owner.deleting:
            raise
        log.info("forbidden during the deletion", extra={"import": owner.name, "error": str(error)})


def _has_labels_of(existing: Object, desired: Object) -> bool:
    """Return whether a Job has all the labels by which watches select it."""
    labels = existing["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in desired["metadata"]["labels"].items())
