"""The input of a decision: one import as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from mediaimport_api.names import run_hash

from mediaimport_operator.decide.attempt import Running
from mediaimport_operator.decide.history import History, observed_history
from mediaimport_operator.decide.retry import RetryRules
from mediaimport_operator.observe.job import Job, Pod, ResultValidator

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.reasons import Reason
    from mediaimport_api.spec import Spec
    from mediaimport_api.status import Delivery, Progress

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.operator import Settings


START_GRACE = timedelta(seconds=30)
"""The time in which an attempt may start before the status shows why it does not."""


@dataclass(frozen=True)
class SlotState:
    """The import's place among the slots: it holds one, or `wait_reason` says why it would wait."""

    held: bool = False
    wait_reason: str = ""


@dataclass(frozen=True)
class Refusal:
    """The API server's refusal of a Job; the creation is repeated at `retry_at`."""

    reason: Reason
    message: str
    since: datetime
    retry_at: datetime


@dataclass(frozen=True)
class CleanupJob:
    """The Job that deletes the stored objects; `last_error` is the message of its newest pod that failed."""

    created_at: datetime | None
    complete: bool
    failed: bool
    last_error: str | None = None
    name: str = ""
    uid: str = ""


@dataclass(frozen=True)
class Observed:
    """One import with its Jobs, pods, slot, refusals and the clock."""

    now: datetime
    settings: Settings
    resource: Resource
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    orphaned_pods: tuple[Pod, ...] = ()
    """Pods with the import's labels whose Job nobody knows any more: they decide nothing, but may write."""
    slot: SlotState = field(default_factory=SlotState)
    progress: Progress | None = None
    log_tail: str | None = None
    refusal: Refusal | None = None
    pod_refusal: str | None = None
    """The Job controller's reason for not creating the pod of `job_missing_pod`."""
    cleanup_job: CleanupJob | None = None
    deliveries: tuple[Delivery, ...] = ()
    """Deliveries of the status's event that have ended, whether the status has them or not."""
    has_credentials: str = ""
    """The uid of the Job to which this operator, since its start, has handed out credentials last."""

    @cached_property
    def spec(self) -> Spec:
        """The spec; ValueError where it is not valid."""
        if self.resource.spec is None:
            raise ValueError(f"the spec of {self.resource.name} is not valid")
        return self.resource.spec

    @cached_property
    def history(self) -> History:
        """The run's attempts, the newest one as its Job and pod show it."""
        return observed_history(
            self.resource, jobs=self.jobs, pods=self.pods, validator=self.result_validator, now=self.now
        )

    @property
    def all_attempts_recorded(self) -> bool:
        """True if the status holds the end of every attempt."""
        return self.resource.completed or (self.resource.spec is not None and self.history.state is None)

    @property
    def start_grace_ends_at(self) -> datetime:
        """The time from which the status shows why the newest attempt does not start."""
        last = self.history.last
        return ((last.started_at if last else None) or self.now) + START_GRACE

    @property
    def job_missing_pod(self) -> Job | None:
        """The newest attempt's Job if it has no pod although the grace to start is over."""
        state = self.history.state
        if not isinstance(state, Running) or state.pod_name is not None or self.now < self.start_grace_ends_at:
            return None
        return next((each for each in self.jobs if self.is_current(each) and not each.suspended), None)

    @property
    def job_without_credentials(self) -> Job | None:
        """The newest attempt's Job if its importer has not started and waits for credentials."""
        state = self.history.state
        if self.settings.session is None or not isinstance(state, Running) or state.importing_since is not None:
            return None
        waiting = (each for each in self.jobs if not (each.suspended or each.deleting or each.finished))
        return next((each for each in waiting if self.is_current(each) and each.uid != self.has_credentials), None)

    @property
    def cleanup_job_without_credentials(self) -> CleanupJob | None:
        """The cleanup Job if its pod waits for credentials."""
        job = self.cleanup_job
        if self.settings.session is None or job is None or job.complete or job.failed:
            return None
        return None if job.uid == self.has_credentials else job

    def is_current(self, job: Job) -> bool:
        """Return whether the Job is the newest attempt's."""
        return job.run_hash == run_hash(self.resource.run) and job.attempt == self.history.number

    @property
    def result_validator(self) -> ResultValidator:
        """The check that a result is about this import's asset."""
        return ResultValidator(bucket=self.settings.bucket, user_id=self.spec.user_id, asset_id=self.resource.asset_id)

    @property
    def managed_by_kueue(self) -> bool:
        """True if Kueue decides when its Jobs run; our slots do not apply then."""
        return self.settings.kueue and self.resource.queue is not None

    @property
    def retry_rules(self) -> RetryRules:
        """The limits of this import's retries."""
        status = self.resource.status
        return RetryRules(
            attempts=self.spec.limits.attempts,
            initial_backoff=timedelta(seconds=self.settings.retry_wait_s),
            source_expires_at=self.spec.source.expires_at,
            run_started_at=(status.started_at if status.run == self.resource.run else None) or self.now,
        )
