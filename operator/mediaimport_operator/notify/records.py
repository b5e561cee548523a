"""Watch of the records that the webhook keeps for the operator: a list, then what changes of it, for ever."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, NoReturn, Protocol

from mediaimport_api.names import LABEL_RECORD
from mediaimport_runtime.kubernetes.errors import ExpiredError, KubernetesError, UnavailableError, named_wait_s

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster

_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 60.0

log = logging.getLogger(__name__)


class Taker(Protocol):
    """Taker of the records of one kind."""

    def put(self, lease: Object) -> None:
        """Take a record that is new or has changed."""

    def remove(self, name: str) -> None:
        """Take note that a record is gone; it may never have been known."""


class RecordWatch:
    """Gives the records of one kind to their takers, to each in turn."""

    def __init__(self, cluster: Cluster, namespace: str, kind: str, *takers: Taker) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._takers = takers
        self._selector = f"{LABEL_RECORD}={kind}"
        self._version: str | None = None
        self._names: set[str] = set()
        self._backoff_s = _FIRST_BACKOFF_S

    async def first(self) -> None:
        """Read the list once; tries go on while the API server is away, and end if it refuses."""
        while self._version is None:
            try:
                self._version = await self._list()
            except UnavailableError as error:
                await self._back_off(error)
            except KubernetesError as error:
                log.error("records cannot be read", extra={"error": str(error)})  # noqa: TRY400 - no bug: no traceback
                return

    async def run(self) -> NoReturn:
        """Follow the records for ever; what fails is tried again, and an expired watch lists again."""
        while True:
            try:
                if self._version is None:
                    self._version = await self._list()
                await self._follow(self._version)
            except ExpiredError:
                self._version = None
                await asyncio.sleep(_FIRST_BACKOFF_S)
            except KubernetesError as error:
                await self._back_off(error)

    async def _list(self) -> str:
        listed: set[str] = set()

        def take(lease: Object) -> None:
            listed.add(lease["metadata"]["name"])
            self._put(lease)

        version = await self._cluster.records(self._namespace, self._selector, take)
        for name in self._names - listed:
            self._remove(name)
        self._backoff_s = _FIRST_BACKOFF_S
        return version

    async def _follow(self, version: str) -> None:
        changed = False
        async with aclosing(self._cluster.watch_records(self._namespace, version, self._selector)) as changes:
            async for change in changes:
                changed = True
                if change.kind == "DELETED":
                    self._remove(change.resource["metadata"]["name"])
                elif change.kind != "BOOKMARK":
                    self._put(change.resource)
                self._version = change.resource["metadata"]["resourceVersion"]
                self._backoff_s = _FIRST_BACKOFF_S
        if not changed:
            await self._back_off(UnavailableError("the watch brought nothing"))

    def _put(self, lease: Object) -> None:
        name = lease["metadata"]["name"]
        self._names.add(name)
        try:
            for each in self._takers:
                each.put(lease)
        except Exception as error:  # noqa: BLE001 - an annotation may hold anything; the next record is another's
            log.error("record cannot be read", extra={"record": name, "error": type(error).__name__})  # noqa: TRY400 - the message may quote it

    def _remove(self, name: str) -> None:
        self._names.discard(name)
        for each in self._takers:
            each.remove(name)

    async def _back_off(self, error: KubernetesError) -> None:
        log.info("records not read", extra={"error": str(error)})
        await asyncio.sleep(max(self._backoff_s, named_wait_s(error)))
        self._backoff_s = min(self._backoff_s * 2, _MAX_BACKOFF_S)
