"""Recording of ended imports in the catalogue's database: the webhook does it, and says so by an annotation.

Its value is the `completedAt` of the run whose row is written, so it never speaks of an earlier run. The operator alone
writes statuses: the condition Recorded follows the annotation. A resource is not removed before it is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.spec import DeletionPolicy
from mediaimport_api.status import ConditionType

from mediaimport_operator.decide.conditions import ConditionBuilder

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.spec import Spec
    from mediaimport_api.status import Condition, Status

    from mediaimport_operator.decide.observed import Observed

_PENDING = "the catalogue's database does not have it yet"
_RECORDED = "the catalogue's database has it"


def is_expected(o: Observed) -> bool:
    """Return whether the webhook records this import: it sees those of its own namespace."""
    return o.settings.has_catalogue and o.resource.namespace == o.settings.operator_namespace


def default_ttl_s(o: Observed, spec: Spec) -> int:
    """Return the time to live of an import whose spec has none, 0 for none: never where stored objects go with it."""
    is_kept = spec.deletion_policy is not DeletionPolicy.DELETE
    return o.settings.default_ttl_s if is_kept and is_expected(o) else 0


def is_awaited(o: Observed) -> bool:
    """Return whether the end of the run is still to be recorded."""
    completed_at = o.resource.status.completed_at
    return is_expected(o) and completed_at is not None and o.resource.recorded != _text(completed_at)


def pending(o: Observed, builder: ConditionBuilder) -> list[Condition]:
    """Return the condition of an import that ends now; none without a catalogue."""
    return [builder.recorded(Reason.RECORDING_PENDING, _PENDING)] if is_expected(o) else []


def with_condition(o: Observed, status: Status) -> Status:
    """Return the status of a completed import with the condition True once it is recorded."""
    known = status.condition(ConditionType.RECORDED)
    if not is_expected(o) or is_awaited(o) or (known is not None and known.status == "True"):
        return status
    builder = ConditionBuilder(before=status, now=o.now, generation=status.observed_generation)
    others = [each for each in status.conditions if each.type != ConditionType.RECORDED]
    return status.model_copy(update={"conditions": [*others, builder.recorded(Reason.RECORDED, _RECORDED)]})


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
