"""Actions that a plan can contain, and the plan itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_api.status import Status


@dataclass(frozen=True)
class CreateJob:
    """Create the Job of that attempt; `more_memory` after an attempt that ran out of it."""

    attempt: int
    more_memory: bool


@dataclass(frozen=True)
class HandOutCredentials:
    """Give the existing Job with that name and uid temporary credentials; it has none of this operator."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeleteJob:
    """Delete the Job with that name and uid, and its pod with it."""

    name: str
    uid: str


@dataclass(frozen=True)
class DeleteResource:
    """Delete the MediaImport; its stored objects stay."""


@dataclass(frozen=True)
class SetFinalizer:
    """Add our finalizer to a MediaImport that is not being deleted, or remove it: `deletionPolicy` has changed."""

    present: bool


@dataclass(frozen=True)
class CreateCleanupJob:
    """Create the Job that deletes the stored objects."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Remove our finalizer from a MediaImport that is being deleted.

    `orphan_reason` says why its stored objects are still there; None if they are gone.
    """

    orphan_reason: str | None = None


Action = CreateJob | HandOutCredentials | DeleteJob | DeleteResource | SetFinalizer | CreateCleanupJob | RemoveFinalizer


class SlotRequest(Enum):
    """The plan's use of a slot: none, one that is requested, one that is occupied."""

    NONE = auto()
    WANTED = auto()
    USED = auto()


@dataclass(frozen=True)
class Plan:
    """One import's next step.

    `status` None leaves the status as it is; `follow` names the pod whose log shows the progress; `requeue_at` None
    waits for an event.
    """

    status: Status | None = None
    actions: tuple[Action, ...] = ()
    slot: SlotRequest = SlotRequest.NONE
    follow: str | None = None
    requeue_at: datetime | None = None

    def extended(self, actions: tuple[Action, ...], requeue_at: datetime | None) -> Plan:
        """Return the plan with more actions, and the earlier of both times."""
        times = [at for at in (self.requeue_at, requeue_at) if at is not None]
        return replace(self, actions=(*self.actions, *actions), requeue_at=min(times, default=None))
