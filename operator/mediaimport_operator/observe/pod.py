"""What a pod says about its attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_api import names
from mediaimport_api.task import IMPORTER_CONTAINER, PROBER_CONTAINER
from mediaimport_runtime.kubernetes import objects

if TYPE_CHECKING:
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object


@dataclass(frozen=True)
class Terminated:
    """A container's end."""

    exit_code: int
    reason: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Container:
    """A container: waiting (for `waiting_reason`), running or terminated."""

    waiting_reason: str | None = None
    waiting_message: str | None = None
    running_since: datetime | None = None
    terminated: Terminated | None = None


@dataclass(frozen=True)
class Pod:
    """One pod of ours. `gone`: it is deleted, and this is the last that was seen of it."""

    name: str
    run_hash: str
    attempt: int
    created_at: datetime | None
    phase: str
    reason: str | None
    message: str | None
    disruption: str | None
    unschedulable: str | None
    grace_ends_at: datetime | None
    gone: bool
    importer: Container
    prober: Container


def read(item: Object, *, gone: bool = False) -> Pod:
    """Return the pod in the API's object."""
    meta, status = item["metadata"], item.get("status") or {}
    disruption = objects.true_condition(item, "DisruptionTarget")
    return Pod(
        name=meta["name"],
        run_hash=objects.label(item, names.LABEL_RUN) or "",
        attempt=objects.number_label(item, names.LABEL_ATTEMPT),
        created_at=objects.moment(meta.get("creationTimestamp")),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason"),
        message=status.get("message"),
        disruption=None if disruption is None else disruption.get("message") or disruption.get("reason") or "",
        unschedulable=_unschedulable(status),
        grace_ends_at=objects.moment(meta.get("deletionTimestamp")),
        gone=gone,
        importer=_container(status.get("containerStatuses"), IMPORTER_CONTAINER),
        prober=_container(status.get("initContainerStatuses"), PROBER_CONTAINER),
    )


def _unschedulable(status: dict[str, Any]) -> str | None:
    for each in status.get("conditions") or []:
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return each.get("message") or each.get("reason") or "not scheduled"
    return None


def _container(statuses: list[dict[str, Any]] | None, name: str) -> Container:
    state = next((each.get("state") or {} for each in statuses or [] if each.get("name") == name), {})
    waiting, ended = state.get("waiting") or {}, state.get("terminated")
    return Container(
        waiting_reason=waiting.get("reason"),
        waiting_message=waiting.get("message"),
        running_since=objects.moment((state.get("running") or {}).get("startedAt")),
        terminated=None if ended is None else _terminated(ended),
    )


def _terminated(state: dict[str, Any]) -> Terminated:
    return Terminated(
        exit_code=int(state.get("exitCode", -1)),
        reason=state.get("reason"),
        message=state.get("message"),
        started_at=objects.moment(state.get("startedAt")),
        finished_at=objects.moment(state.get("finishedAt")),
    )
