"""The status of an import, built whole for each phase, so that nothing of a former phase stays behind.

    new ──> Queued ──> Pending ──> Importing ──> Ready
              ▲           └─────┬──────┘
              │                 │ attempt failed
              │                 ▼
              └── backoff ── Waiting ──> Failed     no attempt left, or a reason that is never retried
                  is over

Suspended follows any phase but Ready and Failed while spec.suspend is true. A new spec.run starts again from Queued.
With a free slot Queued is skipped; an import out of the queue is usually shown Importing next. The phase is output: no
policy decides by it what happens next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import MAX_MESSAGE, Reason, Retry
from mediaimport_api.result import recorded_description
from mediaimport_api.source_policy import url_host
from mediaimport_api.status import (
    MAX_STATUS_BYTES,
    AssetEvent,
    Condition,
    ConditionType,
    ErrorInfo,
    Phase,
    Progress,
    Status,
    Step,
)
from mediaimport_runtime.kubernetes.objects import json_bytes
from mediaimport_runtime.text import duration_text, size_text, truncate

from mediaimport_operator.decide import recording
from mediaimport_operator.decide.attempt import Ended
from mediaimport_operator.decide.conditions import ConditionBuilder
from mediaimport_operator.decide.notification import announced

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.result import Result

    from mediaimport_operator.decide.history import History
    from mediaimport_operator.decide.observed import Observed

_PATIENT = frozenset(
    reason
    for reason in Reason
    # The second lost result counts.
    if reason.facts.retry in {Retry.UNTIL_EXPIRY, Retry.UNCOUNTED} and reason is not Reason.RESULT_LOST
)
"""Reasons after which attempts follow until the source expires."""
_STORED_FIELDS = ("asset", "media", "thumbnail", "size_text", "duration_text")


def starting_message(number: int) -> str:
    """Return the message of an attempt of which there is nothing to say but that it starts."""
    return f"attempt {number} is starting"


@dataclass(frozen=True)
class StatusBuilder:
    """Builds the next status of one import from its history."""

    observed: Observed
    history: History

    def queued(self) -> Status:
        """Return the status of an import that waits for a slot, or for Kueue."""
        reason, queue = self.observed.slot.wait_reason, self.observed.resource.queue
        kueue = f"waits for Kueue to admit it by the queue {queue}"
        message = kueue if self.observed.managed_by_kueue else f"waits for a slot: {reason}"
        return self._in_progress(Phase.QUEUED, Reason.QUEUED, message)

    def pending(self, reason: Reason, message: str) -> Status:
        """Return the status of an import whose importer does not run yet."""
        return self._in_progress(Phase.PENDING, reason, message)

    def importing(self) -> Status:
        """Return the status of an import whose importer runs."""
        message = f"attempt {self.history.number} is running"
        before = self.observed.resource.status
        same_attempt = before.tally is not None and before.tally.started == self.history.number
        progress = self.observed.progress or (before.progress if same_attempt else None)
        waits = f" and waits: {progress.message}" if progress and progress.message else ""
        return self._in_progress(Phase.IMPORTING, Reason.IMPORTING, message + waits, progress=progress)

    def waiting(self) -> Status:
        """Return the status of an import between a failed attempt and the next one."""
        last, at = self.history.last, self.history.next_attempt_at
        cause = f"{last.reason}: {last.message or last.reason.facts.sentence}" if last and last.reason else "no reason"
        when = f"{at:%H:%M:%S} UTC" if at else "at once"
        message = f"attempt {self.history.number} failed ({cause}); the next one starts at {when}{self._patience()}"
        return self._in_progress(
            Phase.WAITING, Reason.RETRY_SCHEDULED, message, next_attempt_at=at, error=self._last_error()
        )

    def suspended(self) -> Status:
        """Return the status of an import that its author has suspended."""
        conditions = self._conditions.halted(Reason.SUSPENDED, "spec.suspend is true; set it to false to resume")
        return self._status(Phase.SUSPENDED, conditions)

    def failed(self, reason: Reason, message: str, http_status: int | None = None) -> Status:
        """Return the status of an import that has failed for good."""
        error = ErrorInfo(
            reason=reason, message=truncate(message, MAX_MESSAGE), retryable=reason.retryable, http_status=http_status
        )
        stalled = self._conditions.stalled(reason, f"{message.rstrip('.')}. {reason.facts.remedy}")
        conditions = [*stalled, *recording.pending(self.observed, self._conditions)]
        status = self._status(Phase.FAILED, conditions, error=error, completed_at=self.observed.now)
        return self._announced(status, AssetEvent.FAILED)

    def ready(self, result: Result) -> Status:
        """Return the status of an import that is stored, with the importer's findings."""
        asset, media, outcome = result.asset, result.media, result.thumbnail
        if asset is None or media is None or outcome is None:
            raise ValueError("only a result with asset, media and thumbnail outcome makes an import Ready")
        stored = outcome.thumbnail is not None
        conditions = [
            *self._conditions.ready(Reason.IMPORTED, result.message),
            self._conditions.description(recorded_description(result.description, media)),
            self._conditions.thumbnail(stored=stored, reason=outcome.reason, message=outcome.message),
            *recording.pending(self.observed, self._conditions),
        ]
        status = self._status(
            Phase.READY,
            conditions,
            progress=Progress(step=Step.COMMIT, percent=100, bytes_done=asset.size_bytes, bytes_total=asset.size_bytes),
            asset=asset,
            media=media,
            thumbnail=outcome.thumbnail,
            size_text=size_text(asset.size_bytes),
            duration_text=None if media.duration_ms is None else duration_text(media.duration_ms),
            completed_at=self.observed.now,
        )
        return self._announced(status, AssetEvent.READY)

    def deleting(self, message: str) -> Status:
        """Return the status of a resource that waits for the deletion of its stored objects."""
        generation = self.observed.resource.generation
        conditions = self._conditions.halted(Reason.DELETING, message)
        return self.observed.resource.status.model_copy(
            update={"observed_generation": generation, "conditions": conditions}
        )

    def deleted(self) -> Status:
        """Return the status of a resource whose stored objects are deleted, and which endpoints are told of."""
        return self._announced(self.deleting("its stored objects are deleted"), AssetEvent.DELETED)

    def acknowledged(self) -> Status:
        """Return the status of a completed import for a new generation that asks for nothing."""
        before, generation = self.observed.resource.status, self.observed.resource.generation
        conditions = [
            each.model_copy(update={"observed_generation": generation})
            for each in before.conditions
            if each.type != ConditionType.RECONCILING
        ]
        return before.model_copy(update={"observed_generation": generation, "conditions": conditions})

    def _announced(self, status: Status, event: AssetEvent) -> Status:
        o = self.observed
        told = announced(status, event, events=o.settings.events, user_id=o.resource.user_id, builder=self._conditions)
        return status if told is status else truncate_to_limit(told)

    @property
    def _conditions(self) -> ConditionBuilder:
        resource = self.observed.resource
        return ConditionBuilder(before=resource.status, now=self.observed.now, generation=resource.generation)

    def _patience(self) -> str:
        """Return until when attempts follow, where no number of them is the limit."""
        last = self.history.last
        if last is None or last.reason is None or last.reason not in _PATIENT:
            return ""
        return f", and others follow until {self.observed.retry_rules.patience_ends_at:%Y-%m-%d %H:%M} UTC"

    def _last_error(self) -> ErrorInfo | None:
        last = self.history.last
        if last is None or last.reason is None:
            return None
        return ErrorInfo(
            reason=last.reason,
            message=last.message or last.reason.facts.sentence,
            retryable=last.reason.retryable,
            http_status=self._http_status(),
        )

    def _http_status(self) -> int | None:
        """Return the source's answer to the last attempt: from its result, or as the status has recorded it."""
        state, before = self.history.state, self.observed.resource.status.error
        if isinstance(state, Ended):
            return state.result.http_status if state.result else None
        return before.http_status if before else None

    def _in_progress(self, phase: Phase, reason: Reason, message: str, **fields: object) -> Status:
        before = self.observed.resource.status
        thumbnail = before.condition(ConditionType.THUMBNAIL_READY) if before.thumbnail else None
        description = before.condition(ConditionType.DESCRIBED) if before.asset else None
        kept = [each for each in (description, thumbnail) if each is not None]
        conditions = [*self._conditions.reconciling(reason, message), *kept]
        return self._status(phase, conditions, **fields)

    def _status(self, phase: Phase, conditions: list[Condition], **fields: object) -> Status:
        resource, history = self.observed.resource, self.history
        before = resource.status
        source = resource.spec.source if resource.spec else None
        common: dict[str, Any] = {
            "observed_generation": resource.generation,
            "run": resource.run,
            "phase": phase,
            "conditions": conditions,
            "attempts": list(history.attempts),
            "tally": history.tally,
            "started_at": self._run_started_at(),
            "expires_at": source.expires_at if source else None,
            "source_host": (url_host(source.location) or "")[:253] or None if source else None,
        }
        # The asset of a former run stays stored until this run replaces it.
        stored = {name: getattr(before, name) for name in _STORED_FIELDS}
        return truncate_to_limit(Status(**(stored | common | fields)))

    def _run_started_at(self) -> datetime | None:
        """Return the first attempt's start; from the status if the first attempt is shown no longer."""
        resource, history = self.observed.resource, self.history
        all_shown = history.attempts and history.number <= len(history.attempts)
        first = history.attempts[-1].started_at if all_shown else None
        return first or (resource.status.started_at if resource.status.run == resource.run else None)


def truncate_to_limit(status: Status) -> Status:
    """Return the status with its texts truncated as little as makes it fit into MAX_STATUS_BYTES."""
    for tail, message in ((512, 256), (0, 128), (0, 0)):
        if _fits(status):
            return status
        status = _truncate_attempts(status, tail=tail, message=message)
    return status if _fits(status) else _truncate_conditions(status)


def _fits(status: Status) -> bool:
    return len(json_bytes(status.to_wire())) <= MAX_STATUS_BYTES


def _truncate_conditions(status: Status) -> Status:
    """Return the status with 256 characters for each condition's message, which can be a kilobyte."""
    conditions = [each.model_copy(update={"message": truncate(each.message, 256)}) for each in status.conditions]
    return status.model_copy(update={"conditions": conditions})


def _truncate_attempts(status: Status, *, tail: int, message: int) -> Status:
    attempts = [
        each.model_copy(
            update={
                "log_tail": each.log_tail[-tail:] if tail and each.log_tail else None,
                "message": truncate(each.message, message) if message and each.message else None,
            }
        )
        for each in status.attempts
    ]
    return status.model_copy(update={"attempts": attempts})
