"""Notifications: all that tells endpoints of events, and its life while the operator leads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.event_records import FAILED_PREDICTION, USER_ENDPOINTS

from mediaimport_operator.notify.failed_predictions import FailedPredictions
from mediaimport_operator.notify.notifier import Notifier
from mediaimport_operator.notify.poster import Poster
from mediaimport_operator.notify.records import RecordWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.notify.endpoints import Endpoints
    from mediaimport_operator.notify.notifier import OnTry
    from mediaimport_operator.notify.outbox import Outbox


@dataclass(frozen=True)
class Notifications:
    """The parts: who is told, of which failed predictions, and who sends. `users_own` is None where users have none."""

    notifier: Notifier
    predictions: FailedPredictions
    failures: RecordWatch
    users_own: RecordWatch | None

    @classmethod
    def create(  # noqa: PLR0913 - all that it needs of the operator
        cls,
        cluster: Cluster,
        namespace: str,
        *,
        endpoints: Endpoints,
        outbox: Outbox,
        clock: Callable[[], datetime],
        on_try: OnTry,
    ) -> Notifications:
        """Return what tells the endpoints of that namespace's records."""
        settings = endpoints.settings
        users = settings.users_own
        users_poster = None if users is None else Poster(users.policy)
        predictions = FailedPredictions(cluster, namespace, outbox, endpoints)
        return cls(
            Notifier(outbox, Poster(settings.policy), users_poster=users_poster, clock=clock, on_try=on_try),
            predictions,
            RecordWatch(cluster, namespace, FAILED_PREDICTION, predictions),
            None if users is None else RecordWatch(cluster, namespace, USER_ENDPOINTS, endpoints),
        )

    async def first(self) -> None:
        """Read which endpoints users have: before any import is decided about, so that no event of theirs is missed."""
        if self.users_own is not None:
            await self.users_own.first()

    async def run(self) -> None:
        """Tell endpoints until it is cancelled."""
        await self.first()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.notifier.run())
            tasks.create_task(self.predictions.run())
            tasks.create_task(self.failures.run())
            if self.users_own is not None:
                tasks.create_task(self.users_own.run())
