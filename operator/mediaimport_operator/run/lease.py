"""The Lease: of operators with one name only one works. Another waits, and takes over when the first one is gone."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError, NotFoundError

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster

DURATION_S = 15
_RENEW_S = 4.0
_RETRY_S = 1.0
_TRUSTED_S = 11.0
"""A holder who could not renew for so long stops working, well before another may take over."""

log = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Another operator holds the Lease."""


def lease_name(instance: str) -> str:
    """Return the Lease's name for that instance."""
    return f"{re.sub(r'[^a-z0-9-]', '-', instance.lower()).strip('-')}-operator"


@dataclass(frozen=True)
class Sighting:
    """The Lease as it was seen, and when by our own clock: clocks of other machines are not to be compared."""

    holder: str
    renewed: str
    duration_s: float
    seen_at_s: float

    def renewed_by(self, other: Sighting) -> bool:
        """Tell whether the holder has been heard of between the two."""
        return (self.holder, self.renewed) != (other.holder, other.renewed)

    def free_for(self, identity: str, *, now_s: float) -> bool:
        """Tell whether that identity may take the Lease."""
        return self.holder in {"", identity} or now_s > self.seen_at_s + self.duration_s


def sighting(lease: Object, *, now_s: float) -> Sighting:
    """Return what the Lease says."""
    spec = lease.get("spec") or {}
    return Sighting(
        holder=spec.get("holderIdentity") or "",
        renewed=spec.get("renewTime") or "",
        duration_s=float(spec.get("leaseDurationSeconds") or DURATION_S),
        seen_at_s=now_s,
    )


def taken(lease: Object, identity: str, *, now: datetime) -> Object:
    """Return the Lease in the hands of that identity; with no identity, released."""
    spec = lease.get("spec") or {}
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    changed = (spec.get("holderIdentity") or "") != identity
    fresh = {
        "holderIdentity": identity,
        "leaseDurationSeconds": DURATION_S if identity else 1,
        "renewTime": moment,
        "acquireTime": moment if changed else spec.get("acquireTime", moment),
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (1 if changed and identity else 0),
    }
    return {**lease, "spec": fresh}


class Lease:
    """Our hold on the Lease. `held` is set only while no one else can have it."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str, identity: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._last: Sighting | None = None
        self._object: Object | None = None
        self._trouble = ""
        self.held = asyncio.Event()

    async def acquire(self) -> None:
        """Return once the Lease is ours."""
        waiting = False
        while not await self._try():
            if not waiting and self._last is not None:
                log.info("another operator holds the lease", extra={"lease": self._name, "holder": self._last.holder})
                waiting = True
            await asyncio.sleep(_RETRY_S)
        log.info("lease acquired", extra={"lease": self._name, "identity": self._identity})
        self.held.set()

    async def keep(self) -> None:
        """Renew for ever; LeaseLostError when another has it. While the API is away, only `held` is cleared."""
        loop = asyncio.get_running_loop()
        renewed_at_s = loop.time()
        while True:
            await asyncio.sleep(_RENEW_S if self.held.is_set() else _RETRY_S)
            if await self._try():
                renewed_at_s = loop.time()
                self.held.set()
            elif self._last is not None and self._last.holder not in {"", self._identity}:
                self.held.clear()
                raise LeaseLostError(f"the lease {self._name} is now held by {self._last.holder}")
            elif loop.time() > renewed_at_s + _TRUSTED_S:
                self.held.clear()

    async def release(self) -> None:
        """Give the Lease back, so that a successor need not wait."""
        if not self.held.is_set():
            return
        self.held.clear()
        try:
            await self._let_go()
        except KubernetesError as error:
            log.warning("lease not released", extra={"lease": self._name, "error": str(error)})

    async def _let_go(self) -> None:
        """Write it as nobody's; once more if a renewal of ours that was broken off has come through after all."""
        try:
            await self._write_free(await self._find())
        except ConflictError:
            self._object = None
            await self._write_free(await self._find())

    async def _write_free(self, found: Object) -> None:
        if sighting(found, now_s=0).holder == self._identity:
            await self._cluster.put_lease(self._namespace, taken(found, "", now=datetime.now(UTC)))

    async def _try(self) -> bool:
        """Take or renew the Lease; tell whether it is ours."""
        try:
            found = await self._find()
            if not self._may_take(found):
                return False
            self._object = await self._cluster.put_lease(
                self._namespace, taken(found, self._identity, now=datetime.now(UTC))
            )
        except ConflictError:
            self._object = None
            return False
        except KubernetesError as error:
            self._object = None
            level = logging.DEBUG if str(error) == self._trouble else logging.WARNING
            log.log(level, "lease not reached", extra={"lease": self._name, "error": str(error)})
            self._trouble = str(error)
            return False
        self._trouble = ""
        self._last = sighting(self._object, now_s=asyncio.get_running_loop().time())
        return True

    async def _find(self) -> Object:
        if self._object is not None:
            return self._object
        try:
            return await self._cluster.get_lease(self._namespace, self._name)
        except NotFoundError:
            return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}}

    def _may_take(self, found: Object) -> bool:
        now_s = asyncio.get_running_loop().time()
        seen = sighting(found, now_s=now_s)
        if self._last is None or self._last.renewed_by(seen):
            self._last = seen
        return self._last.free_for(self._identity, now_s=now_s)
