"""What the status says of an import whose passes fail. Pure; from raw objects, since parsing may be what fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaimport_api.reasons import Reason
from mediaimport_api.status import ConditionType
from mediaimport_runtime.text import public

from mediaimport_operator.decide.conditions import MAX_CONDITION_MESSAGE

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object


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
