"""One reconcile: gather, plan, apply; and the workers that reconcile the keys of the work queue."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from mediaimport_runtime.kubernetes.errors import ConflictError, KubernetesError, RefusedError, named_wait_s
from mediaimport_runtime.time_slice import TimeSlice

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
MAX_ERRORS = 10
"""Unexpected errors, without a success in a slot, after which an import is given up: with the backoff, five minutes."""
_GIVEN_UP_S = 3600.0
"""Wait for the next reconcile of an import that was given up before and fails still: its time to live may be over."""
_UNAVAILABLE_IN_A_ROW = 5
"""Reconciles without an answer of the API server after which an import without a Job holds its slot no longer."""

log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles imports. Each reconcile starts from the observed state, so any of them may be lost or repeated."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gatherer = Gatherer(context)
        self._applier = Applier(context)
        self._errors: dict[str, int] = {}
        self._time_slice = TimeSlice()
        """Of all workers: reconciles that write nothing await nothing, and there are thousands of them at the start."""

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
            await self._time_slice.pause_when_over()

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
            return await self._raised(key, error)
        if key in self._errors and (self._context.slots.holds(key) or self._context.has_unfinished_job(key)):
            # A reconcile that only queues the import has not done what failed before.
            self._errors.pop(key)
        requeue_in_s = None if requeue_at is None else (requeue_at - self._context.clock()).total_seconds()
        self._context.queue.done(key, requeue_in_s=requeue_in_s)
        return "success"

    async def _failed(self, key: str, outcome: str, error: Exception, *, shown: str | None = None) -> str:
        try:
            if shown is not None:
                await self._applier.report_failure(key, shown, now=self._context.clock())
        finally:
            backoff_s = self._context.queue.failed(key, named_wait_s=named_wait_s(error))
            self._release_slot(key, outcome)
        text = str(error) if isinstance(error, KubernetesError) else type(error).__name__
        details = {"key": key, "outcome": outcome, "error": text, "requeue_in_s": backoff_s}
        log.warning("reconcile failed", extra=details)
        return outcome

    async def _raised(self, key: str, error: Exception) -> str:
        """Retry after an unexpected error; after MAX_ERRORS in a row give the import up. A new spec.run tries again."""
        cause = f"{type(error).__name__} in {_place(error)}"
        self._errors[key] = self._errors.get(key, 0) + 1
        if self._errors[key] < MAX_ERRORS:
            shown = f"the operator failed at this import ({cause}) and retries; see the operator's log"
            return await self._failed(key, "error", error, shown=shown)
        message = f"the operator failed {self._errors[key]} times at this import ({cause}); see its log"
        try:
            given_up = await self._applier.give_up(key, message, now=self._context.clock())
        except Exception as unwritten:  # noqa: BLE001 - what cannot be reconciled may be unwritable, too
            return await self._failed(key, "error", unwritten)
        log.error("import given up", extra={"key": key, "error": cause})
        self._errors.pop(key)
        self._context.forget(key)
        # The reconcile of what has ended finds its time to live.
        self._context.queue.done(key, requeue_in_s=0 if given_up else _GIVEN_UP_S)
        return "error"

    def _release_slot(self, key: str, outcome: str) -> None:
        """Release the slot of an import whose reconcile failed: one that fails for ever must not block the others."""
        lasting = outcome in {"error", "refused"} or self._context.queue.failures(key) >= _UNAVAILABLE_IN_A_ROW
        if lasting and not self._context.has_unfinished_job(key):
            self._context.slots.release(key)

    async def reconcile(self, key: str) -> datetime | None:
        """Bring one import a step further; return when it is requeued."""
        observed = await self._gatherer.gather(key)
        if observed is None:
            self._context.forget(key)
            self._errors.pop(key, None)
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


def _place(error: Exception) -> str:
    """Return the function that raised the error. The error's own message may quote a URL's query."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(frame.filename).name}:{frame.name}"
