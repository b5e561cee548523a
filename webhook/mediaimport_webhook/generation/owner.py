"""Owner records: the user of a prediction, written before its id is returned, as a ConfigMap for about a day."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_webhook.cluster import Cluster, Resource

log = logging.getLogger(__name__)
_LABEL_RECORD = f"{names.GROUP}/record"
_LABEL_DAY = f"{names.GROUP}/record-day"
_CLEANUP_INTERVAL = timedelta(hours=1)


@dataclass(frozen=True)
class Owner:
    """User of a prediction, with the tags for its assets."""

    user_id: str
    tags: tuple[str, ...] = ()


class OwnerRecords:
    """The owner records of one namespace."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cluster = cluster
        self._clock = clock
        self._cleaned_at: datetime | None = None

    async def record(self, *, provider: str, prediction: str, owner: Owner) -> None:
        """Create the record; UnavailableError, or AlreadyExistsError if another owner is recorded."""
        try:
            await self._cluster.create_record(_manifest(provider, prediction, owner, self._clock()))
        except AlreadyExistsError:
            if await self.get(provider=provider, prediction=prediction) != owner:
                raise

    async def get(self, *, provider: str, prediction: str) -> Owner | None:
        """Return the recorded owner, None if there is no record; UnavailableError."""
        # Not from a cache: the callback may come right after the record.
        record = await self._cluster.get_record(_name(provider, prediction))
        if record is None:
            return None
        return Owner(record["data"]["user"], tuple(json.loads(record["data"]["tags"])))

    async def delete_expired(self) -> None:
        """Delete the records of the days before yesterday, at most once an hour."""
        now = self._clock()
        if self._cleaned_at is not None and now - self._cleaned_at < _CLEANUP_INTERVAL:
            return
        self._cleaned_at = now
        kept_days = ",".join(_day(now - timedelta(days=days)) for days in (0, 1))
        selector = f"{_LABEL_RECORD}=prediction,{_LABEL_DAY} notin ({kept_days})"
        try:
            for name in await self._cluster.list_record_names(selector):
                await self._cluster.delete_record(name)
        except KubernetesError as error:
            log.warning("expired owner records could not be deleted", extra={"error": str(error)})


def _name(provider: str, prediction: str) -> str:
    digest = hashlib.sha256(f"{provider}\0{prediction}".encode()).hexdigest()
    return f"mediaimport-prediction-{digest[:20]}"


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _manifest(provider: str, prediction: str, owner: Owner, now: datetime) -> Resource:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _name(provider, prediction),
            "labels": {
                names.MANAGED_BY: "mediaimport-webhook",
                _LABEL_RECORD: "prediction",
                _LABEL_DAY: _day(now),
            },
        },
        "data": {
            "provider": provider,
            "prediction": prediction,
            "user": owner.user_id,
            "tags": json.dumps(owner.tags),
        },
        "immutable": True,
    }
