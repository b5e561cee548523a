"""The status for each state of an import. Pure; whole each time, so that nothing of a former state stays behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import url_host
from mediaimport_api.status import (
    MAX_MESSAGE,
    MAX_STATUS_BYTES,
    ConditionType,
    ErrorInfo,
    Phase,
    Progress,
    Status,
    Step,
)
from mediaimport_runtime.kubernetes.objects import json_bytes
from mediaimport_runtime.text import duration_text, size_text, truncate

from mediaimport_operator.decide.attempt import Ended
from mediaimport_operator.decide.conditions import Scribe

if TYPE_CHECKING:
    from mediaimport_api.result import Result
    from mediaimport_api.status import Condition

    from mediaimport_operator.decide.history import History
    from mediaimport_operator.decide.observed import Observed

_KEPT = ("asset", "media", "thumbnail", "size_text", "duration_text")


@dataclass(frozen=True)
class Draft:
    """A status in the making, for one import and its history."""

    observed: Observed
    history: History

    def queued(self) -> Status:
        """Return the status of an import that waits for a slot, or for Kueue."""
        full, queue = self.observed.slot.full, self.observed.resource.queue
        what = f"for Kueue to admit it by the queue {queue}" if self.observed.left_to_kueue else f"for a slot: {full}"
        return self._on_the_way(Phase.QUEUED, Reason.QUEUED, f"waits {what}")

    def pending(self, reason: Reason, message: str) -> Status:
        """Return the status of an import whose importer does not run yet."""
        return self._on_the_way(Phase.PENDING, reason, message)

    def importing(self) -> Status:
        """Return the status of an import at work."""
        message = f"attempt {self.history.number} is at work"
        before = self.observed.resource.status
        same = before.tally is not None and before.tally.started == self.history.number
        progress = self.observed.progress or (before.progress if same else None)
        return self._on_the_way(Phase.IMPORTING, Reason.IMPORTING, message, progress=progress)

    def waiting(self) -> Status:
        """Return the status of an import whose last attempt failed and whose next one has its time."""
        last, at = self.history.last, self.history.next_attempt_at
        cause = f"{last.reason}: {last.message or last.reason.facts.sentence}" if last and last.reason else "no reason"
        when = f"{at:%H:%M:%S} UTC" if at else "at once"
        message = f"attempt {self.history.number} failed ({cause}); the next one starts at {when}"
        return self._on_the_way(Phase.WAITING, Reason.RETRY_SCHEDULED, message, next_attempt_at=at, error=self._error())

    def suspended(self) -> Status:
        """Return the status of an import that its author has stopped."""
        conditions = self._scribe.halted(Reason.SUSPENDED, "spec.suspend is true; set it to false to go on")
        return self._status(Phase.SUSPENDED, conditions)

    def failed(self, reason: Reason, message: str, http_status: int | None = None) -> Status:
        """Return the status of an import that has failed for good."""
        error = ErrorInfo(
            reason=reason, message=truncate(message, MAX_MESSAGE), retryable=reason.retryable, http_status=http_status
        )
        text = f"{message.rstrip('.')}. {reason.facts.remedy}"
        conditions = self._scribe.stalled(reason, text)
        return self._status(Phase.FAILED, conditions, error=error, completed_at=self.observed.now)

    def ready(self, result: Result) -> Status:
        """Return the status of an import that is done, with what the importer found."""
        asset, media, outcome = result.asset, result.media, result.thumbnail
        if asset is None or media is None or outcome is None:
            raise ValueError("only a result that is Imported makes an import Ready")
        stored = outcome.thumbnail is not None
        conditions = [
            *self._scribe.ready(Reason.IMPORTED, result.message),
            self._scribe.thumbnail(stored=stored, reason=outcome.reason, message=outcome.message),
        ]
        return self._status(
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

    def deleting(self, message: str) -> Status:
        """Return the status of a resource that is being deleted, and waits for its objects to go."""
        generation = self.observed.resource.generation
        conditions = self._scribe.halted(Reason.DELETING, message)
        return self.observed.resource.status.model_copy(
            update={"observed_generation": generation, "conditions": conditions}
        )

    def seen(self) -> Status:
        """Return the status of an import that is over, for a spec whose change asks for nothing new."""
        before, generation = self.observed.resource.status, self.observed.resource.generation
        conditions = [
            each.model_copy(update={"observed_generation": generation})
            for each in before.conditions
            if each.type != ConditionType.RECONCILING
        ]
        return before.model_copy(update={"observed_generation": generation, "conditions": conditions})

    @property
    def _scribe(self) -> Scribe:
        resource = self.observed.resource
        return Scribe(before=resource.status, now=self.observed.now, generation=resource.generation)

    def _error(self) -> ErrorInfo | None:
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
        """Return what the source answered to the last attempt: as it ends now, or as the status remembers."""
        state, before = self.history.state, self.observed.resource.status.error
        if isinstance(state, Ended):
            return state.result.http_status if state.result else None
        return before.http_status if before else None

    def _on_the_way(self, phase: Phase, reason: Reason, message: str, **fields: object) -> Status:
        kept = [self._thumbnail_before()] if self.observed.resource.status.thumbnail else []
        conditions = [*self._scribe.reconciling(reason, message), *(each for each in kept if each)]
        return self._status(phase, conditions, **fields)

    def _thumbnail_before(self) -> Condition | None:
        return self.observed.resource.status.condition(ConditionType.THUMBNAIL_READY)

    def _status(self, phase: Phase, conditions: list[Condition], **fields: object) -> Status:
        resource, history = self.observed.resource, self.history
        before = resource.status
        source = resource.spec.source if resource.spec else None
        first = (
            history.attempts[-1].started_at if history.attempts and history.number <= len(history.attempts) else None
        )
        same_run = before.run == resource.run
        common: dict[str, Any] = {
            "observed_generation": resource.generation,
            "run": resource.run,
            "phase": phase,
            "conditions": conditions,
            "attempts": list(history.attempts),
            "tally": history.tally,
            "started_at": first or (before.started_at if same_run else None),
            "expires_at": source.expires_at if source else None,
            "source_host": (url_host(source.url) or "")[:253] or None if source else None,
        }
        # What a former run stored is still there until this one says otherwise.
        kept = {name: getattr(before, name) for name in _KEPT}
        return fitted(Status(**(kept | common | fields)))


def fitted(status: Status) -> Status:
    """Return the status with as little cut from its attempts as makes it fit into MAX_STATUS_BYTES."""
    for tail, message in ((512, 256), (0, 128), (0, 0)):
        if _fits(status):
            return status
        status = _cut(status, tail=tail, message=message)
    return status if _fits(status) else _briefer(status)


def _fits(status: Status) -> bool:
    return len(json_bytes(status.to_wire())) <= MAX_STATUS_BYTES


def _briefer(status: Status) -> Status:
    """Return the status with its conditions cut to a line each: 256 characters can be a kilobyte."""
    conditions = [each.model_copy(update={"message": truncate(each.message, 256)}) for each in status.conditions]
    return status.model_copy(update={"conditions": conditions})


def _cut(status: Status, *, tail: int, message: int) -> Status:
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
