"""An attempt's Job, its pod, and the result in the pod's termination message, parsed from the API's objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mediaimport_api import names
from mediaimport_api.result import MAX_RESULT_BYTES, Result
from mediaimport_api.task import IMPORTER_CONTAINER, PROBER_CONTAINER
from mediaimport_runtime.kubernetes import objects

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mediaimport_api.status import Asset
    from mediaimport_runtime.kubernetes.objects import Object


# --- Job ---


@dataclass(frozen=True)
class Job:
    """One Job of ours. `failure_reason` is set as soon as the Job controller has decided to fail it.

    `suspended` until the Job controller has resumed it, at `resumed_at`.
    """

    name: str
    uid: str
    run_hash: str
    attempt: int
    created_at: datetime | None
    finished_at: datetime | None
    complete: bool
    failure_reason: str | None
    failure_message: str | None
    deleting: bool
    suspended: bool
    resumed_at: datetime | None

    @property
    def finished(self) -> bool:
        """True once the Job controller has completed or failed it."""
        return self.complete or self.failure_reason is not None


def read_job(item: Object) -> Job:
    """Return the Job in the API's object."""
    meta, status = item["metadata"], item.get("status") or {}
    failed = objects.true_condition(item, "Failed")
    # FailureTarget is set first, while the pods are still terminating.
    failing = failed or objects.true_condition(item, "FailureTarget") or {}
    resumed = objects.condition(item, "Suspended", status="False") or {}
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        run_hash=objects.label(item, names.LABEL_RUN) or "",
        attempt=objects.number_label(item, names.LABEL_ATTEMPT),
        created_at=objects.moment(meta.get("creationTimestamp")),
        finished_at=objects.moment(status.get("completionTime") or (failed or {}).get("lastTransitionTime")),
        complete=objects.true_condition(item, "Complete") is not None,
        failure_reason=(failing.get("reason") or "Failed") if failing else None,
        failure_message=failing.get("message"),
        deleting="deletionTimestamp" in meta,
        suspended=bool((item.get("spec") or {}).get("suspend") or objects.true_condition(item, "Suspended")),
        resumed_at=objects.moment(resumed.get("lastTransitionTime")),
    )


def attempt_labels(uid: str, run: str, attempt: int) -> dict[str, str]:
    """Return the labels that name the import, the run and the attempt of a Job."""
    return {names.LABEL_UID: uid, names.LABEL_RUN: names.run_hash(run), names.LABEL_ATTEMPT: str(attempt)}


def owned_by(item: Object, uid: str) -> bool:
    """Return whether the controller ownerReference has that uid."""
    return controller_uid(item) == uid


def controller_uid(item: Object) -> str | None:
    """Return the uid in the controller ownerReference."""
    owner = controller(item)
    return None if owner is None else owner.get("uid")


def controller(item: Object) -> Object | None:
    """Return the controller ownerReference, of which an object has at most one."""
    owners = item["metadata"].get("ownerReferences") or []
    return next((each for each in owners if each.get("controller")), None)


def newest_message(events: Iterable[Object]) -> str | None:
    """Return the message of the newest Event."""
    newest = max(events, key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or "", default={})
    return newest.get("message")


# --- pod ---


@dataclass(frozen=True)
class Terminated:
    """A container's end, as the kubelet reports it."""

    exit_code: int
    reason: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Container:
    """A container's state: waiting (for `waiting_reason`), running or terminated."""

    waiting_reason: str | None = None
    waiting_message: str | None = None
    running_since: datetime | None = None
    terminated: Terminated | None = None


@dataclass(frozen=True)
class Pod:
    """One pod of ours. `deleted`: the API server has it no longer, and this is its last version."""

    name: str
    job_uid: str | None
    run_hash: str
    attempt: int
    created_at: datetime | None
    phase: str
    reason: str | None
    message: str | None
    disruption: str | None
    unschedulable: str | None
    grace_ends_at: datetime | None
    deleted: bool
    importer: Container
    prober: Container


def read_pod(item: Object, *, deleted: bool = False) -> Pod:
    """Return the pod in the API's object."""
    meta, status = item["metadata"], item.get("status") or {}
    disruption = objects.true_condition(item, "DisruptionTarget")
    return Pod(
        name=meta["name"],
        job_uid=controller_uid(item),
        run_hash=objects.label(item, names.LABEL_RUN) or "",
        attempt=objects.number_label(item, names.LABEL_ATTEMPT),
        created_at=objects.moment(meta.get("creationTimestamp")),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason"),
        message=status.get("message"),
        disruption=None if disruption is None else disruption.get("message") or disruption.get("reason") or "",
        unschedulable=_unschedulable(status),
        grace_ends_at=objects.moment(meta.get("deletionTimestamp")),
        deleted=deleted,
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


# --- result ---


@dataclass(frozen=True)
class ResultValidator:
    """Validates results: one counts only if it is about the very asset that the import's spec leads to.

    The message is written in a pod that handles hostile media. The checksum in it (SHA-256) is the importer's: the
    operator has no keys of the store to compare it.
    """

    bucket: str
    user_id: str
    asset_id: str

    def validated(self, message: str | None, exit_code: int) -> Result | None:
        """Return the result in a termination message; None unless it is valid, fits the exit code and our asset."""
        encoded = (message or "").encode(errors="replace")
        result = Result.decode(encoded) if len(encoded) <= MAX_RESULT_BYTES else None
        if result is None or result.reason.facts.exit_code != exit_code:
            return None
        if result.asset is not None and not self._is_our_asset(result.asset):
            return None
        thumbnail = result.thumbnail.thumbnail if result.thumbnail else None
        return result if thumbnail is None or thumbnail.key == self._keys.thumbnail else None

    @property
    def _keys(self) -> names.AssetKeys:
        return names.AssetKeys(user_id=self.user_id, asset_id=self.asset_id)

    def _is_our_asset(self, asset: Asset) -> bool:
        same = asset.bucket == self.bucket and asset.id == UUID(self.asset_id)
        named = asset.key.startswith(f"{self._keys.prefix}{asset.kind}.")
        return same and named and self._keys.is_original(asset.key)
