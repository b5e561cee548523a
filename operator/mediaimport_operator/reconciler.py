"""One pass: gather, plan, apply; and the workers that make passes for the keys of the queue."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_operator import plan
from mediaimport_operator.cluster import ClusterError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_operator.apply import Applier
    from mediaimport_operator.gather import Gatherer
    from mediaimport_operator.observed import Observed
    from mediaimport_operator.plan import Plan
    from mediaimport_operator.slots import Slots
    from mediaimport_operator.workqueue import WorkQueue

WORKERS = 16

log = logging.getLogger(__name__)


class Reconciler:
    """Makes passes. Each starts from the world as it is, so that any may be lost or repeated."""

    def __init__(
        self,
        *,
        queue: WorkQueue,
        gatherer: Gatherer,
        applier: Applier,
        slots: Slots,
        clock: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._gatherer = gatherer
        self._applier = applier
        self._slots = slots
        self._clock = clock

    async def work(self, allowed: asyncio.Event) -> None:
        """Make passes until the queue is closed; none while it is not allowed."""
        while (key := await self._queue.get()) is not None:
            await allowed.wait()
            await self._guarded(key)

    async def _guarded(self, key: str) -> None:
        """Make a pass whose failure stops no other import."""
        try:
            wake_at = await self.make_pass(key)
        except ClusterError as error:
            wait_s = self._queue.failed(key)
            log.warning("pass failed", extra={"key": key, "error": str(error), "retry_in_s": wait_s})
        except Exception:
            wait_s = self._queue.failed(key)
            log.exception("pass broke", extra={"key": key, "retry_in_s": wait_s})
        else:
            self._queue.done(key, wake_in_s=None if wake_at is None else (wake_at - self._clock()).total_seconds())

    async def make_pass(self, key: str) -> datetime | None:
        """Bring one import a step further; return when it wants to be looked at again."""
        observed = await self._gatherer.gather(key)
        if observed is None:
            self._applier.dismiss(key)
            return None
        made, observed = self._decide(observed)
        refusal = await self._applier.apply(observed, made)
        if refusal is None:
            return made.wake_at
        observed = replace(observed, refusal=refusal)
        made = plan.plan(observed)
        await self._applier.apply(observed, made)
        return made.wake_at

    def _decide(self, observed: Observed) -> tuple[Plan, Observed]:
        """Plan; if a slot is wanted and there is one, plan again with it."""
        made = plan.plan(observed)
        if made.slot is plan.Slot.WANTED and self._slots.want(observed.resource.claim):
            observed = replace(observed, slot=replace(observed.slot, held=True))
            made = plan.plan(observed)
        return made, observed
