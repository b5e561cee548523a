"""Keeps the catalogue equal to the cluster: a paged list, then a watch from there, again whenever one breaks."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, assert_never

from mediaimport_runtime.kubernetes.errors import ExpiredError, KubernetesError

from mediaimport_webhook.catalogue.entry import entry_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.kubernetes.client import Change

    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.cluster import Cluster

_LOG = logging.getLogger(__name__)
_PAGE = 500
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Reflector:
    """`synced` once the first list is in; `last_event_age_s` says how old the newest sign of life is."""

    def __init__(
        self,
        cluster: Cluster,
        catalogue: Catalogue,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self._cluster = cluster
        self._catalogue = catalogue
        self._monotonic = monotonic
        self._first_pause_s = first_pause_s
        self._pause_s = first_pause_s
        self._last_event: float | None = None
        self._version: int | None = None
        self._failing = False
        self.synced = asyncio.Event()

    @property
    def last_event_age_s(self) -> float | None:
        """Return seconds since the cluster was last heard of, None before the first list."""
        return None if self._last_event is None else self._monotonic() - self._last_event

    @property
    def stale_s(self) -> int | None:
        """Return how old the cache is while the cluster does not answer, None while it does."""
        return int(self.last_event_age_s or 0) if self._failing else None

    async def run(self) -> None:
        """Go on for ever; every failure is a pause and another try."""
        while True:
            try:
                await self._once()
            except ExpiredError:
                _LOG.info("the watch's place is gone, listing again")
                self._version = None
                await self._pause()
            except KubernetesError as error:
                self._failing = True
                _LOG.warning("the cluster cannot be read", extra={"error": str(error)})
                await self._pause()
            except Exception:  # noqa: BLE001 - a defect must not leave the cache to age for ever
                _LOG.exception("the cache could not be fed")
                self._version = None
                await self._pause()

    async def _once(self) -> None:
        """List if there is no place to watch from; then watch until the server ends it."""
        version = self._version if self._version is not None else await self._list()
        heard = False
        async for change in self._cluster.watch_imports(str(version)):
            self._apply(change)
            self._heard()
            heard = True
        if not heard:
            await self._pause()

    async def _list(self) -> int:
        """Read all, page by page; each resource is kept only as its small entry."""
        page = await self._cluster.list_imports(limit=_PAGE)
        entries = [entry_of(each) for each in page.items]
        while page.next:
            page = await self._cluster.list_imports(limit=_PAGE, after=page.next)
            entries.extend(entry_of(each) for each in page.items)
        self._version = int(page.version)
        self._catalogue.replace(entries, version=self._version)
        self._heard()
        self.synced.set()
        return self._version

    def _apply(self, change: Change) -> None:
        version = int(change.resource["metadata"]["resourceVersion"])
        match change.kind:
            case "ADDED" | "MODIFIED":
                self._catalogue.observe(change.resource)
            case "DELETED":
                self._catalogue.forget(change.resource)
            case "BOOKMARK":
                self._catalogue.advance(version)
            case _:
                assert_never(change.kind)
        self._version = version

    def _heard(self) -> None:
        self._last_event = self._monotonic()
        self._pause_s = self._first_pause_s
        self._failing = False

    async def _pause(self) -> None:
        """Wait, longer each time and never in step with another replica."""
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
