"""Leader election with a Lease: only the holder works. Another operator waits, and takes over from a lost leader."""

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

LEASE_DURATION_S = 15
_RENEW_PERIOD_S = 4.0
_RETRY_PERIOD_S = 1.0
_RENEW_DEADLINE_S = 11.0
"""A leader that could not renew for so long stops working, well before another may take over."""

log = logging.getLogger(__name__)


class LeaseLostError(Exception):
    """Another operator has become the leader."""


def lease_name(instance: str) -> str:
    """Return the Lease's name for that instance."""
    return f"{re.sub(r'[^a-z0-9-]', '-', instance.lower()).strip('-')}-operator"


@dataclass(frozen=True)
class ObservedLease:
    """The Lease as it was observed, with the time by our own clock: clocks of other machines may be wrong."""

    holder: str
    renewed: str
    duration_s: float
    observed_at_s: float

    def differs(self, other: ObservedLease) -> bool:
        """Return whether the Lease was renewed or taken between the two."""
        return (self.holder, self.renewed) != (other.holder, other.renewed)

    def available_to(self, identity: str, *, now_s: float) -> bool:
        """Return whether that identity may take the Lease."""
        return self.holder in {"", identity} or now_s > self.observed_at_s + self.duration_s


def observe(lease: Object, *, now_s: float) -> ObservedLease:
    """Return holder and renewal of the Lease, observed now."""
    spec = lease.get("spec") or {}
    return ObservedLease(
        holder=spec.get("holderIdentity") or "",
        renewed=spec.get("renewTime") or "",
        duration_s=float(spec.get("leaseDurationSeconds") or LEASE_DURATION_S),
        observed_at_s=now_s,
    )


def held_by(lease: Object, identity: str, *, now: datetime) -> Object:
    """Return the Lease with that holder, renewed now; without an identity, released."""
    spec = lease.get("spec") or {}
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    changed = (spec.get("holderIdentity") or "") != identity
    fresh = {
        "holderIdentity": identity,
        "leaseDurationSeconds": LEASE_DURATION_S if identity else 1,
        "renewTime": moment,
        "acquireTime": moment if changed else spec.get("acquireTime", moment),
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (1 if changed and identity else 0),
    }
    return {**lease, "spec": fresh}


class Lease:
    """This operator's part in the election. `held` is set only while it is the leader."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str, identity: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._last: ObservedLease | None = None
        self._object: Object | None = None
        self._last_error = ""
        self.held = asyncio.Event()

    async def acquire(self) -> None:
        """Return once this operator is the leader."""
        waiting = False
        while not await self._try():
            if not waiting and self._last is not None:
                log.info("another operator holds the lease", extra={"lease": self._name, "holder": self._last.holder})
                waiting = True
            await asyncio.sleep(_RETRY_PERIOD_S)
        log.info("lease acquired", extra={"lease": self._name, "identity": self._identity})
        self.held.set()

    async def keep(self) -> None:
        """Renew for ever; LeaseLostError when another leads. While the API is unavailable, only `held` is cleared."""
        loop = asyncio.get_running_loop()
        renewed_at_s = loop.time()
        while True:
            await asyncio.sleep(_RENEW_PERIOD_S if self.held.is_set() else _RETRY_PERIOD_S)
            if await self._try():
                renewed_at_s = loop.time()
                self.held.set()
            elif self._last is not None and self._last.holder not in {"", self._identity}:
                self.held.clear()
                raise LeaseLostError(f"the lease {self._name} is now held by {self._last.holder}")
            elif loop.time() > renewed_at_s + _RENEW_DEADLINE_S:
                self.held.clear()

    async def release(self) -> None:
        """Release the Lease, so that a successor need not wait."""
        if not self.held.is_set():
            return
        self.held.clear()
        try:
            await self._release()
        except KubernetesError as error:
            log.warning("lease not released", extra={"lease": self._name, "error": str(error)})

    async def _release(self) -> None:
        """Write the Lease without a holder; again if a cancelled renewal of ours has succeeded after all."""
        try:
            await self._write_released(await self._find())
        except ConflictError:
            self._object = None
            await self._write_released(await self._find())

    async def _write_released(self, found: Object) -> None:
        if observe(found, now_s=0).holder == self._identity:
            await self._cluster.put_lease(self._namespace, held_by(found, "", now=datetime.now(UTC)))

    async def _try(self) -> bool:
        """Take or renew the Lease; return whether this operator holds it."""
        try:
            found = await self._find()
            if not self._may_take(found):
                return False
            self._object = await self._cluster.put_lease(
                self._namespace, held_by(found, self._identity, now=datetime.now(UTC))
            )
        except ConflictError:
            self._object = None
            return False
        except KubernetesError as error:
            self._object = None
            level = logging.DEBUG if str(error) == self._last_error else logging.WARNING
            log.log(level, "lease unavailable", extra={"lease": self._name, "error": str(error)})
            self._last_error = str(error)
            return False
        self._last_error = ""
        self._last = observe(self._object, now_s=asyncio.get_running_loop().time())
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
        observed = observe(found, now_s=now_s)
        if self._last is None or self._last.differs(observed):
            self._last = observed
        return self._last.available_to(self._identity, now_s=now_s)
