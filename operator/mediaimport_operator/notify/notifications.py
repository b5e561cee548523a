"""Notifications: all that tells endpoints of events, and its life while the operator leads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.event_records import FAILED_PREDICTION, USER_ENDPOINTS

from mediaimport_operator.notify.endpoint_tests import EndpointTests
from mediaimport_operator.notify.failed_predictions import FailedPredictions
from mediaimport_operator.notify.notifier import Notifier
from mediaimport_operator.notify.poster import Poster
from mediaimport_operator.notify.records import RecordWatch
from mediaimport_operator.notify.replays import Replays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.notify.endpoints import Endpoints
    from mediaimport_operator.notify.notifier import OnTry
    from mediaimport_operator.notify.outbox import Outbox


@dataclass(frozen=True)
class UsersOwn:
    """Requests of users: endpoints, tests and replays."""

    records: RecordWatch
    tests: EndpointTests
    replays: Replays


@dataclass(frozen=True)
class Notifications:
    """The parts: who sends, and what is told besides imports. `users` is None where users have no endpoints."""

    notifier: Notifier
    predictions: FailedPredictions
    failures: RecordWatch
    users: UsersOwn | None

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
        imports: Callable[[], Iterable[Object]],
        reconcile: Callable[[str], None],
    ) -> Notifications:
        """Return what tells the endpoints of that namespace's records."""
        settings = endpoints.settings
        users, own = settings.users_own, None
        users_poster = None if users is None else Poster(users.policy)
        predictions = FailedPredictions(cluster, namespace, outbox, endpoints)
        if users is not None:
            tests = EndpointTests(cluster, namespace, outbox)
            records = RecordWatch(cluster, namespace, USER_ENDPOINTS, endpoints, tests)
            own = UsersOwn(records, tests, Replays(endpoints, imports, clock=clock, reconcile=reconcile))
        return cls(
            Notifier(outbox, Poster(settings.policy), users_poster=users_poster, clock=clock, on_try=on_try),
            predictions,
            RecordWatch(cluster, namespace, FAILED_PREDICTION, predictions),
            own,
        )

    async def first(self) -> None:
        """Read which endpoints users have: before any import is decided about, so that no event of theirs is missed."""
        if self.users is not None:
            await self.users.records.first()

    async def run(self) -> None:
        """Tell endpoints until it is cancelled."""
        await self.first()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.notifier.run())
            tasks.create_task(self.predictions.run())
            tasks.create_task(self.failures.run())
            if self.users is not None:
                for each in (self.users.records, self.users.tests, self.users.replays):
                    tasks.create_task(each.run())
