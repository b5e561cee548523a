"""All that a pass decides by: one import's world at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from mediaimport_api.names import run_hash

from mediaimport_operator.decide import history
from mediaimport_operator.decide.attempt import Running
from mediaimport_operator.decide.retry import Rules
from mediaimport_operator.observe.result import Expectation

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.reasons import Reason
    from mediaimport_api.spec import Spec
    from mediaimport_api.status import Progress

    from mediaimport_operator.decide.history import History
    from mediaimport_operator.observe.job import Job
    from mediaimport_operator.observe.pod import Pod
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.operator import Settings


GRACE = timedelta(seconds=30)
"""How long an attempt may take to start before its trouble is shown."""


@dataclass(frozen=True)
class Slot:
    """Whether the import holds a slot; if not, why it would wait."""

    held: bool = False
    full: str = ""


@dataclass(frozen=True)
class Refusal:
    """The API server would not take the Job; it is asked again at `retry_at`."""

    reason: Reason
    message: str
    since: datetime
    retry_at: datetime


@dataclass(frozen=True)
class Eraser:
    """The Job that deletes the stored objects; `words`: what its last pod that failed said."""

    created_at: datetime | None
    complete: bool
    failed: bool
    words: str | None = None


@dataclass(frozen=True)
class Observed:
    """One import, its Jobs and pods, the clock. `resource` has a valid spec."""

    now: datetime
    settings: Settings
    resource: Resource
    jobs: tuple[Job, ...] = ()
    pods: tuple[Pod, ...] = ()
    slot: Slot = field(default_factory=Slot)
    progress: Progress | None = None
    log_tail: str | None = None
    refusal: Refusal | None = None
    pod_refusal: str | None = None
    """Why the Job controller cannot create the pod of a `podless` Job."""
    eraser: Eraser | None = None

    @cached_property
    def spec(self) -> Spec:
        """Return the spec; to be asked only where there is one."""
        if self.resource.spec is None:
            raise ValueError(f"the spec of {self.resource.name} is not valid")
        return self.resource.spec

    @cached_property
    def history(self) -> History:
        """Return the run's attempts as they stand."""
        return history.observe(self.resource, jobs=self.jobs, pods=self.pods, expected=self.expectation, now=self.now)

    @property
    def is_told(self) -> bool:
        """Tell whether the status holds the end of every attempt."""
        return self.resource.completed or (self.resource.spec is not None and self.history.state is None)

    @property
    def trouble_shown_at(self) -> datetime:
        """Return when the trouble of an attempt that has not come to run is shown."""
        last = self.history.last
        return ((last.started_at if last else None) or self.now) + GRACE

    @property
    def podless(self) -> Job | None:
        """Return the Job of the newest attempt if by now it should have a pod, and has none."""
        state = self.history.state
        if not isinstance(state, Running) or state.pod_name is not None or self.now < self.trouble_shown_at:
            return None
        return next((each for each in self.jobs if self.is_current(each) and not each.suspended), None)

    def is_current(self, job: Job) -> bool:
        """Tell whether that is the newest attempt's Job."""
        return job.run_hash == run_hash(self.resource.run) and job.attempt == self.history.number

    @property
    def expectation(self) -> Expectation:
        """Return what a result of this import must be about."""
        return Expectation(bucket=self.settings.bucket, user_id=self.spec.user_id, asset_id=self.resource.asset_id)

    @property
    def left_to_kueue(self) -> bool:
        """Tell whether Kueue decides when its Jobs run, and not our caps."""
        return self.settings.kueue and self.resource.queue is not None

    @property
    def rules(self) -> Rules:
        """Return the rules for retries."""
        return Rules(
            attempts=self.spec.limits.attempts,
            first_wait=timedelta(seconds=self.settings.retry_wait_s),
            source_expires_at=self.spec.source.expires_at,
        )
