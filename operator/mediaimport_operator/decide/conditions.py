"""Conditions of the status, with kstatus's meaning: Ready always, Reconciling and Stalled only while they are true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mediaimport_api.reasons import MAX_MESSAGE, Reason
from mediaimport_api.status import Condition, ConditionType, ErrorInfo, Phase, Status
from mediaimport_runtime.text import public, truncate

from mediaimport_operator.observe.resource import read_status

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.result import DescriptionOutcome
    from mediaimport_runtime.kubernetes.objects import Object

MAX_CONDITION_MESSAGE = 1024


@dataclass(frozen=True)
class ConditionBuilder:
    """Builds the conditions after those of `before`: lastTransitionTime changes only with a condition's status."""

    before: Status
    now: datetime
    generation: int | None

    def ready(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that is Ready."""
        return [self._condition(ConditionType.READY, "True", reason, message)]

    def reconciling(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import in progress."""
        return [
            self._condition(ConditionType.READY, "False", reason, message),
            self._condition(ConditionType.RECONCILING, "True", reason, message),
        ]

    def stalled(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that has failed for good."""
        return [
            self._condition(ConditionType.READY, "False", reason, message),
            self._condition(ConditionType.STALLED, "True", reason, message),
        ]

    def halted(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that a person has suspended or deleted."""
        return [self._condition(ConditionType.READY, "False", reason, message)]

    def description(self, outcome: DescriptionOutcome) -> Condition:
        """Return the condition Described."""
        status: Literal["True", "False"] = "True" if outcome.described else "False"
        return self._condition(ConditionType.DESCRIBED, status, outcome.reason, outcome.message)

    def thumbnail(self, *, stored: bool, reason: Reason, message: str) -> Condition:
        """Return the condition ThumbnailReady."""
        return self._condition(ConditionType.THUMBNAIL_READY, "True" if stored else "False", reason, message)

    def notified(self, reason: Reason, message: str) -> Condition:
        """Return the condition Notified."""
        return self._condition(
            ConditionType.NOTIFIED, "True" if reason is Reason.NOTIFIED else "False", reason, message
        )

    def recorded(self, reason: Reason, message: str) -> Condition:
        """Return the condition Recorded."""
        return self._condition(
            ConditionType.RECORDED, "True" if reason is Reason.RECORDED else "False", reason, message
        )

    def _condition(
        self, kind: ConditionType, status: Literal["True", "False"], reason: Reason, message: str
    ) -> Condition:
        before = self.before.condition(kind)
        same = before is not None and before.status == status
        return Condition(
            type=kind.value,
            status=status,
            reason=reason.value,
            message=public(message, MAX_CONDITION_MESSAGE),
            last_transition_time=before.last_transition_time if before and same else self.now,
            observed_generation=self.generation,
        )


# --- reconciles that fail: from raw objects, since parsing may be the step that fails ---


def failure_conditions(item: Object, message: str, *, now: datetime) -> list[Object] | None:
    """Return the conditions of an import whose reconcile fails; None if the status has them already."""
    status = item.get("status") or {}
    before = status.get("conditions") or []
    # A completed import stays Ready or Failed.
    kinds = [ConditionType.RECONCILING] if "completedAt" in status else [ConditionType.READY, ConditionType.RECONCILING]
    failing = [_failing(each, before, public(message, MAX_CONDITION_MESSAGE), item, now=now) for each in kinds]
    if all(any(_same(each, other) for other in before) for each in failing):
        return None
    return [*failing, *(each for each in before if each.get("type") not in kinds)]


def failed_status(item: Object, message: str, *, now: datetime) -> Status | None:
    """Return the status of an import that is given up; None for one that is completed or being deleted."""
    meta, run = item["metadata"], str((item.get("spec") or {}).get("run") or "")
    before = read_status(item)
    if "deletionTimestamp" in meta or (before.completed_at is not None and before.run == run):
        return None
    builder = ConditionBuilder(before=before, now=now, generation=meta.get("generation"))
    error = ErrorInfo(reason=Reason.OPERATOR_FAILED, message=truncate(message, MAX_MESSAGE), retryable=False)
    changes = {
        "observed_generation": meta.get("generation"),
        "run": run,
        "phase": Phase.FAILED,
        "conditions": builder.stalled(Reason.OPERATOR_FAILED, message),
        "completed_at": now,
        "next_attempt_at": None,
        "progress": None,
        "error": error,
    }
    return before.model_copy(update=changes)


def _failing(kind: ConditionType, before: list[Object], message: str, item: Object, *, now: datetime) -> Object:
    status = "True" if kind is ConditionType.RECONCILING else "False"
    old: dict[str, Any] = next((each for each in before if each.get("type") == kind), {})
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    return {
        "type": kind.value,
        "status": status,
        "reason": Reason.OPERATOR_FAILED.value,
        "message": message,
        "lastTransitionTime": since or now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": item["metadata"].get("generation", 0),
    }


def _same(one: Object, other: Object) -> bool:
    return all(one[name] == other.get(name) for name in ("type", "status", "reason", "message"))
