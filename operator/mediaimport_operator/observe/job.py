"""What a Job says about its attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_runtime.kubernetes import objects

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object


@dataclass(frozen=True)
class Job:
    """One Job of ours. `failure_reason` is there as soon as the Job controller has decided so."""

    name: str
    uid: str
    run_hash: str
    attempt: int
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    complete: bool
    failure_reason: str | None
    failure_message: str | None
    deleting: bool
    suspended: bool

    @property
    def finished(self) -> bool:
        """Tell whether the Job controller has spoken."""
        return self.complete or self.failure_reason is not None


def read(item: Object) -> Job:
    """Return the Job in the API's object."""
    meta, status = item["metadata"], item.get("status") or {}
    failed = objects.true_condition(item, "Failed")
    # FailureTarget comes first, when the decision has fallen and the pods are still on their way out.
    failing = failed or objects.true_condition(item, "FailureTarget") or {}
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        run_hash=objects.label(item, names.LABEL_RUN) or "",
        attempt=objects.number_label(item, names.LABEL_ATTEMPT),
        created_at=objects.moment(meta.get("creationTimestamp")),
        started_at=objects.moment(status.get("startTime")),
        finished_at=objects.moment(status.get("completionTime") or (failed or {}).get("lastTransitionTime")),
        complete=objects.true_condition(item, "Complete") is not None,
        failure_reason=(failing.get("reason") or "Failed") if failing else None,
        failure_message=failing.get("message"),
        deleting="deletionTimestamp" in meta,
        suspended=bool((item.get("spec") or {}).get("suspend")),
    )


def last_words(events: Iterable[Object]) -> str | None:
    """Return the newest of these Events' messages."""
    newest = max(events, key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or "", default={})
    return newest.get("message")


def labels(uid: str, run: str, attempt: int) -> dict[str, str]:
    """Return the labels that say which attempt of which run of which import a Job is."""
    return {names.LABEL_UID: uid, names.LABEL_RUN: names.run_hash(run), names.LABEL_ATTEMPT: str(attempt)}


def owned_by(item: Object, uid: str) -> bool:
    """Tell whether the object's controller is the one of that uid."""
    owners = item["metadata"].get("ownerReferences") or []
    return any(each.get("uid") == uid and each.get("controller") for each in owners)
