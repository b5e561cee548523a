"""Conditions with kstatus's meaning: Ready always, Reconciling and Stalled only while they are so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mediaimport_api.reasons import Reason
from mediaimport_api.status import Condition, ConditionType
from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Status
    from mediaimport_runtime.kubernetes.objects import Object

MAX_CONDITION_MESSAGE = 1024


@dataclass(frozen=True)
class Scribe:
    """Writes conditions over those of `before`: a time of transition stays while its status does."""

    before: Status
    now: datetime
    generation: int | None

    def ready(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that is done."""
        return [self._write(ConditionType.READY, "True", reason, message)]

    def reconciling(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that is on its way."""
        return [
            self._write(ConditionType.READY, "False", reason, message),
            self._write(ConditionType.RECONCILING, "True", reason, message),
        ]

    def stalled(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that will not go on by itself."""
        return [
            self._write(ConditionType.READY, "False", reason, message),
            self._write(ConditionType.STALLED, "True", reason, message),
        ]

    def halted(self, reason: Reason, message: str) -> list[Condition]:
        """Return the conditions of an import that someone has stopped."""
        return [self._write(ConditionType.READY, "False", reason, message)]

    def thumbnail(self, *, stored: bool, reason: Reason, message: str) -> Condition:
        """Return the thumbnail's own condition."""
        return self._write(ConditionType.THUMBNAIL_READY, "True" if stored else "False", reason, message)

    def _write(self, kind: ConditionType, status: Literal["True", "False"], reason: Reason, message: str) -> Condition:
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


def complaint(item: Object, message: str, *, now: datetime) -> list[Object] | None:
    """Return the conditions that tell of the failure; None if those of the status do already."""
    status = item.get("status") or {}
    before = status.get("conditions") or []
    # What is over stays what it is: only the operator's look at it fails.
    kinds = [ConditionType.RECONCILING] if "completedAt" in status else [ConditionType.READY, ConditionType.RECONCILING]
    told = [_condition(each, before, public(message, MAX_CONDITION_MESSAGE), item, now=now) for each in kinds]
    if all(any(_same(each, other) for other in before) for each in told):
        return None
    return [*told, *(each for each in before if each.get("type") not in kinds)]


def _condition(kind: ConditionType, before: list[Object], message: str, item: Object, *, now: datetime) -> Object:
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
