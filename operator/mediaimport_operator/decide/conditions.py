"""Conditions with kstatus's meaning: Ready always, Reconciling and Stalled only while they are so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mediaimport_api.status import Condition, ConditionType
from mediaimport_runtime.text import public

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.reasons import Reason
    from mediaimport_api.status import Status

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
