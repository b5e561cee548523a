"""One reconcile: gather, plan, apply; and the workers that reconcile the keys of the work queue."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError, RefusedError

from mediaimport_operator.decide.actions import Plan, SlotRequest
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.reconcile.apply import Applier
from mediaimport_operator.reconcile.gather import Gatherer

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime

    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.reconcile.context import Context

WORKERS = 16

log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles imports. Each reconcile starts from the observed state, so any of them may be lost or repeated."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gatherer = Gatherer(context)
        self._applier = Applier(context)

    async def work(self, leading: asyncio.Event) -> None:
        """Reconcile keys until the queue is closed; pause while this operator is not the leader.

        No key is lost on any way out: one whose reconcile has no end is requeued.
        """
        queue = self._context.queue
        while (key := await queue.get()) is not None:
            try:
                await leading.wait()
                await self._timed(key)
            except Exception:
                # Not the reconcile, which is guarded, but the report of its failure.
                log.exception("failure of a reconcile not reported", extra={"key": key})
                queue.failed(key)
            finally:
                queue.requeue_if_running(key)

    async def _timed(self, key: str) -> None:
        begun_s = time.monotonic()
        outcome = await self._guarded(key)
        self._context.metrics.reconciled(outcome, time.monotonic() - begun_s)

    async def _guarded(self, key: str) -> str:
        """Reconcile a key and requeue it; return the outcome. A failure stops no other import."""
        try:
            requeue_at = await self.reconcile(key)
        except RefusedError as error:
            return await self._failed(key, "refused", error, shown=str(error))
        except ConflictError as error:
            return await self._failed(key, "conflict", error)
        except KubernetesError as error:
            return await self._failed(key, "unavailable", error)
        except Exception as error:
            log.exception("reconcile raised an unexpected error", extra={"key": key})
            shown = f"the operator failed at this import ({type(error).__name__}) and retries; see the operator's log"
            return await self._failed(key, "error", error, shown=shown)
        requeue_in_s = None if requeue_at is None else (requeue_at - self._context.clock()).total_seconds()
        self._context.queue.done(key, requeue_in_s=requeue_in_s)
        return "success"

    async def _failed(self, key: str, outcome: str, error: Exception, *, shown: str | None = None) -> str:
        if shown is not None:
            await self._applier.report_failure(key, shown, now=self._context.clock())
        backoff_s = self._context.queue.failed(key)
        text = str(error) if isinstance(error, KubernetesError) else type(error).__name__
        details = {"key": key, "outcome": outcome, "error": text, "requeue_in_s": backoff_s}
        log.warning("reconcile failed", extra=details)
        return outcome

    async def reconcile(self, key: str) -> datetime | None:
        """Bring one import a step further; return when it is requeued."""
        observed = await self._gatherer.gather(key)
        if observed is None:
            self._context.forget(key)
            return None
        decided, observed = self._plan_with_slot(observed)
        refusal = await self._applier.apply(observed, decided)
        if refusal is None:
            return decided.requeue_at
        observed = replace(observed, refusal=refusal)
        decided = plan(observed)
        await self._applier.apply(observed, decided)
        return decided.requeue_at

    def _plan_with_slot(self, observed: Observed) -> tuple[Plan, Observed]:
        """Plan; if the plan wants a slot and gets one at once, plan again with it."""
        decided = plan(observed)
        if decided.slot is SlotRequest.WANTED and self._context.slots.request(observed.resource.claim):
            observed = replace(observed, slot=replace(observed.slot, held=True))
            decided = plan(observed)
        return decided, observed
