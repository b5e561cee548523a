"""Leader election with a Lease: only the holder works. Another operator waits, and takes over from a lost leader."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import (
    ConflictError,
    KubernetesError,
    NotFoundError,
    UnavailableError,
    named_wait_s,
)

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster

LEASE_DURATION_S = 15
_RENEW_PERIOD_S = 4.0
_RETRY_PERIOD_S = 1.0
_RENEW_DEADLINE_S = 11.0
"""A leader that could not renew for so long stops working, well before another may take over."""
REQUEST_TIMEOUT_S = 3.0
"""The most that one request may take: a second try fits into the deadline."""

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
    """Return holder and renewal of the Lease, observed now; UnavailableError for one that no API server stores."""
    spec = lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    duration_s, transitions = spec.get("leaseDurationSeconds") or LEASE_DURATION_S, spec.get("leaseTransitions") or 0
    texts, numbers = isinstance(holder, str) and isinstance(renewed, str), (duration_s, transitions)
    if not texts or not all(isinstance(each, int) for each in numbers):
        raise UnavailableError("the answer is not a Lease of the Kubernetes API")
    return ObservedLease(holder=holder, renewed=renewed, duration_s=float(duration_s), observed_at_s=now_s)


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
    """This operator's part in the election. `held` is set only while it is the leader, `lapsed` while it is not."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str, identity: str) -> None:
        """Take a cluster of its own: requests of others must not hold up a renewal."""
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._last: ObservedLease | None = None
        self._object: Object | None = None
        self._last_error = ""
        self._named_wait_s = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._tried = False
        self._released = False
        self.held = asyncio.Event()
        self.lapsed = asyncio.Event()
        self.lapsed.set()

    async def acquire(self) -> None:
        """Return once this operator is the leader."""
        waiting = False
        while not await self._try():
            if not waiting and self._last is not None:
                log.info("another operator holds the lease", extra={"lease": self._name, "holder": self._last.holder})
                waiting = True
            await asyncio.sleep(max(_RETRY_PERIOD_S, self._named_wait_s))
        log.info("lease acquired", extra={"lease": self._name, "identity": self._identity})

    async def keep(self) -> None:
        """Renew until the release; LeaseLostError when another leads. An unavailable API only lets the Lease lapse."""
        renewed = self.held.is_set()
        while not self._released:
            await asyncio.sleep(_RENEW_PERIOD_S if renewed else max(_RETRY_PERIOD_S, self._named_wait_s))
            renewed = await self._try()
            if not renewed and self._last is not None and self._last.holder not in {"", self._identity}:
                self._lapse()
                raise LeaseLostError(f"the lease {self._name} is now held by {self._last.holder}")

    async def release(self) -> None:
        """Release the Lease for ever, so that a successor need not wait."""
        self._released = True
        self._lapse()
        if not self._tried:
            return
        try:
            await self._release()
        except (KubernetesError, TimeoutError) as error:
            log.warning("lease not released", extra={"lease": self._name, "error": str(error) or "no answer in time"})

    # --- leadership ---

    def _lead(self, *, asked_at_s: float) -> None:
        """Lead until the deadline. It counts from the request: from then on another may have seen the renewal."""
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_at(asked_at_s + _RENEW_DEADLINE_S, self._lapse)
        self.lapsed.clear()
        self.held.set()

    def _lapse(self) -> None:
        """Lead no longer. A timer calls this, since a renewal that hangs cannot."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None
        if self.held.is_set() and not self._released:
            log.warning("lease lapsed: it could not be renewed", extra={"lease": self._name})
        self.held.clear()
        self.lapsed.set()

    # --- requests ---

    async def _try(self) -> bool:
        """Take or renew the Lease; return whether this operator holds it."""
        asked_at_s = asyncio.get_running_loop().time()
        self._named_wait_s = 0
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                taken = await self._take()
        except ConflictError:
            self._object = None
            return False
        except (KubernetesError, TimeoutError) as error:
            self._object, self._named_wait_s = None, named_wait_s(error)
            self._report(str(error) or "no answer in time")
            return False
        self._last_error = ""
        if taken and not self._released:
            self._lead(asked_at_s=asked_at_s)
        return taken

    async def _take(self) -> bool:
        found = await self._find()
        if self._released or not self._may_take(found):
            return False
        self._tried = True
        desired = held_by(found, self._identity, now=datetime.now(UTC))
        written = await self._cluster.put_lease(self._namespace, desired)
        self._last = observe(written, now_s=asyncio.get_running_loop().time())
        self._object = written
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

    async def _release(self) -> None:
        """Write the Lease without a holder; again if a cancelled renewal of ours has succeeded after all."""
        try:
            await self._write_released()
        except ConflictError:
            await self._write_released()

    async def _write_released(self) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            self._object = None
            found = await self._find()
            if observe(found, now_s=0).holder == self._identity:
                await self._cluster.put_lease(self._namespace, held_by(found, "", now=datetime.now(UTC)))

    def _report(self, error: str) -> None:
        """Log why the Lease is unavailable, as a warning where the error is a new one."""
        level = logging.DEBUG if error == self._last_error else logging.WARNING
        log.log(level, "lease unavailable", extra={"lease": self._name, "error": error})
        self._last_error = error
