"""Records that outlive a restart for some days, as Leases: Idempotency-Keys, ends of predictions, begun uploads."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from mediaimport_api import names
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, ConflictError, KubernetesError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mediaimport_webhook.cluster import Cluster, Resource

log = logging.getLogger(__name__)
_LABEL_EXPIRES = f"{names.GROUP}/expires"
_CLEANUP_INTERVAL = timedelta(hours=1)
_CHECK_INTERVAL_S = 600
MAX_LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class Record:
    """Record as it was read; `version` is that of its Lease."""

    name: str
    version: str
    data: Mapping[str, Any]
    deliveries: Mapping[str, Any] = field(default_factory=dict)
    """The operator's note of who was told."""


class Records:
    """The records of one namespace."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cluster = cluster
        self._clock = clock
        self._cleaned_at: datetime | None = None

    async def create(
        self, name: str, data: Mapping[str, Any], *, kind: str, lifetime: timedelta | None, user_id: str | None = None
    ) -> Record | None:
        """Create a record, None if there is one of that name; UnavailableError. With a user it is counted as theirs.

        Without a lifetime it stays.
        """
        manifest = _manifest(name, data, kind, lifetime, self._clock())
        if user_id is not None:
            manifest["metadata"]["labels"][names.LABEL_USER] = user_id
        try:
            return _record(await self._cluster.create_lease(manifest))
        except AlreadyExistsError:
            return None

    async def count(self, kind: str, user_id: str) -> int:
        """Return the number of a user's records of a kind, some hundred at most; UnavailableError."""
        return len(await self._cluster.lease_names(f"{names.LABEL_RECORD}={kind},{names.LABEL_USER}={user_id}"))

    async def of_user(self, kind: str, user_id: str) -> list[Record]:
        """Return a user's records of a kind, some hundred at most; UnavailableError."""
        selector = f"{names.LABEL_RECORD}={kind},{names.LABEL_USER}={user_id}"
        return [_record(each) for each in await self._cluster.list_leases(selector)]

    async def get(self, name: str) -> Record | None:
        """Return the record, None if there is none; UnavailableError."""
        lease = await self._cluster.get_lease(name)
        return None if lease is None else _record(lease)

    async def replace(self, record: Record, data: Mapping[str, Any], *, kind: str | None = None) -> Record | None:
        """Replace the data of a record, None if somebody else has changed or deleted it; UnavailableError."""
        labels = {} if kind is None else {"labels": {names.LABEL_RECORD: kind}}
        annotations = {names.ANNOTATION_RECORD: json.dumps(dict(data))}
        about = {"resourceVersion": record.version, "annotations": annotations} | labels
        try:
            lease = await self._cluster.patch_lease(record.name, {"metadata": about})
        except ConflictError:
            return None
        return None if lease is None else _record(lease)

    async def delete(self, name: str) -> None:
        """Delete the record, which may be gone already; UnavailableError."""
        await self._cluster.delete_lease(name)

    async def keep_clean(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> NoReturn:
        """Delete expired records every hour, for ever, whatever is requested meanwhile."""
        while True:
            await sleep(_CHECK_INTERVAL_S * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            await self.delete_expired()

    async def delete_expired(self) -> None:
        """Delete all records that expired before today, at most once an hour."""
        now = self._clock()
        if self._cleaned_at is not None and now - self._cleaned_at < _CLEANUP_INTERVAL:
            return
        self._cleaned_at = now
        kept_days = ",".join(_day(now + timedelta(days=days)) for days in range(MAX_LIFETIME.days + 1))
        selector = f"{names.LABEL_RECORD},{_LABEL_EXPIRES},{_LABEL_EXPIRES} notin ({kept_days})"
        deleted: set[str] = set()
        try:
            # What somebody's finalizer holds stays on the page.
            while found := set(await self._cluster.lease_names(selector)) - deleted:
                for name in found:
                    await self._cluster.delete_lease(name)
                deleted |= found
        except KubernetesError as error:
            log.warning("expired records could not be deleted", extra={"error": str(error)})


def name_of_prediction(prefix: str, *, provider: str, prediction: str) -> str:
    """Return the name of a prediction's record: the prefix of its kind, and a digest of what names the prediction."""
    digest = hashlib.sha256(f"{provider}\0{prediction}".encode()).hexdigest()
    return f"{prefix}{digest[:32]}"


def _record(lease: Resource) -> Record:
    about = lease["metadata"]
    annotations = about.get("annotations", {})
    data = json.loads(annotations.get(names.ANNOTATION_RECORD, "{}"))
    deliveries = json.loads(annotations.get(names.ANNOTATION_DELIVERIES, "{}"))
    return Record(about["name"], about["resourceVersion"], data, deliveries)


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _manifest(name: str, data: Mapping[str, Any], kind: str, lifetime: timedelta | None, now: datetime) -> Resource:
    expires = {} if lifetime is None else {_LABEL_EXPIRES: _day(now + lifetime)}
    duration = {} if lifetime is None else {"leaseDurationSeconds": int(lifetime.total_seconds())}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "labels": {
                names.MANAGED_BY: "mediaimport-webhook",
                names.LABEL_RECORD: kind,
                **expires,
            },
            "annotations": {names.ANNOTATION_RECORD: json.dumps(dict(data))},
        },
        "spec": {
            "acquireTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            **duration,
        },
    }
