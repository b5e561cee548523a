"""The workers: they reconcile only while this operator leads, and a death among them ends the operator."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from mediaimport_operator.reconcile.worker import WORKERS, Reconciler

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mediaimport_operator.reconcile.context import Context
    from mediaimport_operator.run.lease import Lease


class Workers:
    """WORKERS tasks that take keys from the work queue."""

    def __init__(self, context: Context, lease: Lease) -> None:
        self._queue = context.queue
        self._reconciler = Reconciler(context)
        self._lease = lease
        self._ended = asyncio.Event()
        self.started = False

    async def run(self) -> None:
        """Reconcile whenever this operator leads, until the queue is closed."""
        self.started = True
        try:
            while not self._queue.closed:
                await self._lease.held.wait()
                await self._run_until_lapse()
        finally:
            self._ended.set()

    async def drain(self, timeout_s: float) -> None:
        """Wait until the closed queue's last reconciles have ended, if this operator leads."""
        if self.started and self._lease.held.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), timeout_s)

    async def _run_until_lapse(self) -> None:
        """Run all workers; cancel them once the Lease lapses, since another operator may lead soon."""
        await run_until(self._run_all(), self._lease.lapsed)

    async def _run_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(WORKERS):
                tasks.create_task(self._reconciler.work(self._lease.held), name=f"worker {number}")


async def run_until(work: Coroutine[None, None, None], lapse: asyncio.Event) -> None:
    """Run the work; cancel it once the event is set."""
    working = asyncio.create_task(work)
    lapsed = asyncio.create_task(lapse.wait(), name="lapse")
    try:
        await asyncio.wait({working, lapsed}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, lapsed):
            task.cancel()
        await asyncio.gather(working, lapsed, return_exceptions=True)
