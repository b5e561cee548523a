"""What a pass can decide to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Status


@dataclass(frozen=True)
class CreateJob:
    """Create the Job of that attempt; more memory after one that ran out of it."""

    attempt: int
    more_memory: bool


@dataclass(frozen=True)
class DeleteJob:
    """Delete that very Job, and its pod with it."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeleteResource:
    """Delete the MediaImport; what it stored stays."""


@dataclass(frozen=True)
class Hold:
    """Put our finalizer on the MediaImport, or take it off."""

    on: bool


@dataclass(frozen=True)
class CreateEraser:
    """Create the Job that deletes the stored objects."""


@dataclass(frozen=True)
class LetGo:
    """Take our finalizer off a MediaImport that is being deleted; `left` says why its objects are still there."""

    left: str | None = None


Action = CreateJob | DeleteJob | DeleteResource | Hold | CreateEraser | LetGo


class Slot(Enum):
    """What the import needs of the ledger."""

    NONE = auto()
    WANTED = auto()
    USED = auto()


@dataclass(frozen=True)
class Plan:
    """What to do. `status` None: leave it. `follow`: the pod whose log tells the progress."""

    status: Status | None = None
    actions: tuple[Action, ...] = ()
    slot: Slot = Slot.NONE
    follow: str | None = None
    wake_at: datetime | None = None

    def also(self, actions: tuple[Action, ...], wake_at: datetime | None) -> Plan:
        """Return the plan with more actions and an earlier time to wake, if that is earlier."""
        times = [at for at in (self.wake_at, wake_at) if at is not None]
        return replace(self, actions=(*self.actions, *actions), wake_at=min(times, default=None))
