"""Replays: endpoints of a user are told again of what happened since a time, by reconciles of the user's imports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from mediaimport_api.spec import Spec
from mediaimport_runtime.kubernetes.objects import moment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.notify.endpoints import Endpoints

_DEFAULT_USER = str(Spec.model_fields["user_id"].default)
_READ_AT_ONCE = 100
RECONCILES_A_SECOND = 50
"""A replay of ten thousand imports delays nobody's import."""


class Replays:
    """Brings imports whose events are to be told again to their reconcile, which decides about that."""

    def __init__(
        self,
        endpoints: Endpoints,
        imports: Callable[[], Iterable[Object]],
        *,
        clock: Callable[[], datetime],
        reconcile: Callable[[str], None],
    ) -> None:
        """Take what is called with the uid of each such import."""
        self._endpoints = endpoints
        self._imports = imports
        self._clock = clock
        self._reconcile = reconcile
        self._changed: dict[str, None] = {}
        self._arrival = asyncio.Event()
        endpoints.on_change.append(self._note)

    async def run(self) -> NoReturn:
        """Begin anew with every replay that may not be over, as the operator before has left it; then follow."""
        for user_id in self._endpoints.replaying(now=self._clock()):
            self._note(user_id)
        while True:
            await self._arrival.wait()
            self._arrival.clear()
            while self._changed:
                user_id = next(iter(self._changed))
                del self._changed[user_id]
                since = self._endpoints.replaying(now=self._clock()).get(user_id)
                if since is not None:
                    await self._replay(user_id, since)

    def _note(self, user_id: str) -> None:
        self._changed[user_id] = None
        self._arrival.set()

    async def _replay(self, user_id: str, since: datetime) -> None:
        number = 0
        async for uid in self._of(user_id, since):
            self._reconcile(uid)
            number += 1
            if number % RECONCILES_A_SECOND == 0:
                await asyncio.sleep(1)

    async def _of(self, user_id: str, since: datetime) -> AsyncIterator[str]:
        """Yield the user's imports with an event since that time; others may run meanwhile."""
        for number, item in enumerate(self._imports()):
            if number % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)
            told = (item.get("status") or {}).get("notification") or {}
            at = moment(told.get("at"))
            if at is not None and at >= since and (item.get("spec") or {}).get("userId", _DEFAULT_USER) == user_id:
                yield item["metadata"]["uid"]
