"""One pass: gather, plan, apply; and the workers that make passes for the keys of the queue."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError, RefusedError

from mediaimport_operator.decide import plan
from mediaimport_operator.decide.actions import Slot

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_operator.decide.actions import Plan
    from mediaimport_operator.decide.limits import Slots
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.reconcile.apply import Applier
    from mediaimport_operator.reconcile.gather import Gatherer
    from mediaimport_operator.reconcile.metrics import Metrics
    from mediaimport_operator.reconcile.queue import WorkQueue

WORKERS = 16

log = logging.getLogger(__name__)


class Reconciler:
    """Makes passes. Each starts from the world as it is, so that any may be lost or repeated."""

    def __init__(  # noqa: PLR0913  a pass needs all of them
        self,
        *,
        queue: WorkQueue,
        gatherer: Gatherer,
        applier: Applier,
        slots: Slots,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._gatherer = gatherer
        self._applier = applier
        self._slots = slots
        self._metrics = metrics
        self._clock = clock

    async def work(self, allowed: asyncio.Event) -> None:
        """Make passes until the queue is closed; none while it is not allowed."""
        while (key := await self._queue.get()) is not None:
            await allowed.wait()
            await self._guarded(key)

    async def _guarded(self, key: str) -> None:
        """Make a pass whose failure stops no other import."""
        begun_s = time.monotonic()
        outcome = await self._outcome(key)
        self._metrics.made_pass(outcome, time.monotonic() - begun_s)

    async def _outcome(self, key: str) -> str:
        """Make a pass and see to the next one; return how it ended."""
        try:
            wake_at = await self.make_pass(key)
        except RefusedError as error:
            return await self._failed(key, "refused", error, shown=str(error))
        except ConflictError as error:
            return await self._failed(key, "conflict", error)
        except KubernetesError as error:
            return await self._failed(key, "unavailable", error)
        except Exception as error:
            log.exception("pass broke", extra={"key": key})
            shown = f"the operator failed at this import ({type(error).__name__}), and tries again; its log says more"
            return await self._failed(key, "broken", error, shown=shown)
        self._queue.done(key, wake_in_s=None if wake_at is None else (wake_at - self._clock()).total_seconds())
        return "done"

    async def _failed(self, key: str, outcome: str, error: Exception, *, shown: str | None = None) -> str:
        if shown is not None:
            await self._applier.complain(key, shown, now=self._clock())
        wait_s = self._queue.failed(key)
        told = str(error) if isinstance(error, KubernetesError) else type(error).__name__
        log.warning("pass failed", extra={"key": key, "outcome": outcome, "error": told, "retry_in_s": wait_s})
        return outcome

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
        if made.slot is Slot.WANTED and self._slots.want(observed.resource.claim):
            observed = replace(observed, slot=replace(observed.slot, held=True))
            made = plan.plan(observed)
        return made, observed
